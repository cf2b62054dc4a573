"""A run folder that a batch job has made before the search."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import shoal
from shoal.search.folder.placing import create, place, reserved
from shoal.search.folder.reader import RunFolder
from shoal.trainable.problems.finding import find


def new(path: Path) -> Path:
    """A run folder, whole, beside its place."""
    (path / "parts").mkdir(parents=True)
    (path / "search.toml").write_text("format = 1")
    return path


def test_a_folder_with_the_jobs_files_alone_is_filled(tmp_path: Path) -> None:
    """Also when a search was killed while it filled it."""
    out = tmp_path / "out"
    (out / "slurm" / "7").mkdir(parents=True)
    (out / "parts").mkdir()
    assert reserved(out)
    place(new(tmp_path / "beside"), out)
    assert {entry.name for entry in out.iterdir()} == {"slurm", "parts", "search.toml"}
    assert not (tmp_path / "beside").exists()
    assert not reserved(out)


@pytest.mark.parametrize("reserved", [False, True], ids=["new", "a job's"])
def test_the_disk_has_a_run_folder_before_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reserved: bool
) -> None:
    """All of its files and folders, else a power cut soon after would leave empty ones."""
    synced: set[int] = set()
    fsync = os.fsync

    def note(handle: int) -> None:
        if not (out / "search.toml").exists():
            synced.add(os.fstat(handle).st_ino)
        fsync(handle)

    out, beside = tmp_path / "out", new(tmp_path / "beside")
    (beside / "problem").mkdir()
    (beside / "problem" / "good.py").write_text("good")
    if reserved:
        (out / "slurm").mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", note)
    inside = {path.stat().st_ino for path in beside.rglob("*")}
    place(beside, out)
    assert inside <= synced


def test_what_else_is_there_stays(tmp_path: Path) -> None:
    """A folder of somebody else's is not taken."""
    out = tmp_path / "out"
    (out / "slurm").mkdir(parents=True)
    (out / "thesis.tex").write_text("x")
    assert not reserved(out)
    with pytest.raises(OSError, match="not empty"):
        place(new(tmp_path / "beside"), out)
    assert (out / "thesis.tex").read_text() == "x"


def test_a_search_killed_while_it_fills_the_folder_can_begin_again(tmp_path: Path) -> None:
    """After any of its entries but the last, ``search.toml``, the folder still is the job's."""
    shoal.run(trials=1, steps=1, out=tmp_path / "whole", engine="inline")
    request = RunFolder.open(tmp_path / "whole").request
    create(tmp_path / "new", request, find("cubic-sine"))
    names = sorted(entry.name for entry in (tmp_path / "new").iterdir())
    names.remove("search.toml")
    out = tmp_path / "out"
    (out / "slurm").mkdir(parents=True)
    for name in names:
        (tmp_path / "new" / name).rename(out / name)
        assert reserved(out), name
    assert len(names) >= 5
    create(out, request, find("cubic-sine"))
    assert shoal.run(out=out, engine="inline").states()["complete"] == 1


def test_copies_that_a_killed_search_has_left_are_replaced(tmp_path: Path) -> None:
    """The same files are; where one differs, or there is another, all stay."""
    out, copy = tmp_path / "out", Path("problem", "mine", "good.py")
    (out / "slurm").mkdir(parents=True)
    for n, (text, more, whole) in enumerate([("y", "", False), ("x", "z", False), ("x", "", True)]):
        beside = new(tmp_path / f"beside{n}")
        for folder, content in ((beside, "x"), (out, text)):
            (folder / copy).parent.mkdir(parents=True, exist_ok=True)
            (folder / copy).write_text(content)
        if more:
            (out / copy).with_name("thesis.tex").write_text(more)
        if whole:
            place(beside, out)
            assert not beside.exists()
            continue
        with pytest.raises(OSError, match="not empty"):
            place(beside, out)
        assert (out / copy).read_text() == text
        (out / copy).with_name("thesis.tex").unlink(missing_ok=True)
    assert (out / "search.toml").exists()
