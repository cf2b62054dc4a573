"""Searches that begin at the same moment, and what killed ones have left."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import shoal
from shoal.search.driver.execution import _begin
from shoal.search.folder import placing, starting
from shoal.search.folder.placing import FOLDERS
from shoal.search.folder.reader import RunFolder
from shoal.search.folder.starting import beside, free
from shoal.search.preparation.preparation import prepare
from shoal.search.preparation.prepared import Prepared
from shoal.search.process import processes
from shoal.search.request.asked import Asked

MANY = 8


@pytest.fixture
def prepared() -> Iterator[Prepared]:
    """A new search."""
    made = prepare(Asked.of({"trials": 1, "steps": 1}), None)
    yield replace(made, named=True)
    made.source.release()


def at_once(prepared: Prepared, out: Path) -> list[RunFolder]:
    """Begin the same search many times in one moment."""
    ready = threading.Barrier(MANY)

    def begin() -> RunFolder:
        ready.wait()
        return _begin(prepared, out)

    with ThreadPoolExecutor(MANY) as pool:
        return [future.result() for future in [pool.submit(begin) for _ in range(MANY)]]


def test_searches_that_begin_in_one_moment_have_a_folder_each(
    prepared: Prepared, tmp_path: Path
) -> None:
    """Where nobody has named one: the time in its name is the same for all."""
    folders = at_once(replace(prepared, named=False), tmp_path / "runs" / "cubic-sine-1")
    paths = {folder.path for folder in folders}
    assert len(paths) == MANY
    assert paths == set((tmp_path / "runs").iterdir())
    assert all(len(folder.trials()) == 0 for folder in folders)


@pytest.mark.parametrize("reserved", [False, True], ids=["new", "a job's"])
def test_of_searches_that_begin_in_one_folder_all_but_one_go_on(
    prepared: Prepared, tmp_path: Path, reserved: bool
) -> None:
    """In a folder that the user has named, or that a batch job has made, it is made once and
    whole; another search is told."""
    out = tmp_path / "out"
    if reserved:
        (out / "slurm").mkdir(parents=True)
    assert {folder.path for folder in at_once(prepared, out)} == {out}
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    assert shoal.run(out=out, engine="inline").states()["complete"] == 1
    other = replace(prepared, request=replace(prepared.request, seed=1))
    with pytest.raises(shoal.BadInput, match="taken by another search in this moment"):
        _begin(other, out)


def test_the_next_free_name_is_free_also_where_a_link_leads_nowhere(tmp_path: Path) -> None:
    """Names are numbered from 2."""
    assert free(tmp_path / "a") == tmp_path / "a"
    (tmp_path / "a").symlink_to("nowhere")
    (tmp_path / "a-2").mkdir()
    assert free(tmp_path / "a") == tmp_path / "a-3"


def folder(path: Path, *entries: str) -> Path:
    """A folder with some files, and folders where a run folder has some."""
    path.mkdir()
    for name in entries:
        (path / name).mkdir() if name in FOLDERS else (path / name).write_text("x")
    return path


def test_what_killed_starts_have_left_goes_and_nothing_else(
    prepared: Prepared, tmp_path: Path
) -> None:
    """Of this machine's dead processes, of our own number (as in a container, where it is always
    the same), and of other machines after an hour; whatever looks like it but has something else
    in it stays, and so does what a living process makes."""
    with subprocess.Popen(["sleep", "600"]) as living:
        try:
            mine = beside(tmp_path / "out").name.split("-")
            began = str(processes.began(living.pid))
            dead = [
                folder(tmp_path / f".out.{os.getpid()}", "parts", "search.toml"),
                folder(tmp_path / ".other.99999999", "parts"),
                folder(tmp_path / f".out.{living.pid}-{mine[1]}-1-0000"),
                folder(tmp_path / f".out.{living.pid}-{mine[1]}-1-0001", "trials.parquet"),
                folder(tmp_path / ".out.7-00000000-1-0000", "parts"),
            ]
            os.utime(dead[-1], (0, 0))
            stay = [
                folder(tmp_path / f".out.{living.pid}-{mine[1]}-{began}-0000"),
                folder(tmp_path / ".out.7-00000000-2-0000", "parts"),
                folder(tmp_path / ".thesis.99999999", "parts", "thesis.tex"),
                folder(tmp_path / ".empty.99999999"),
                folder(tmp_path / "elsewhere", "parts"),
            ]
            (tmp_path / ".out.99999998").symlink_to("elsewhere")
            for number, name in ((99999997, "trials.parquet"), (99999996, "packs/checkpoint.pt")):
                whole = tmp_path / f".copy.{number}"
                shoal.run(trials=1, steps=1, keep=0, engine="inline", out=whole)
                shutil.rmtree(whole / ".lock")
                if name != "trials.parquet":
                    (whole / "trials.parquet").unlink()
                    (whole / name).write_text("")
                stay.append(whole)
            _begin(prepared, tmp_path / "out")
            assert not [path.name for path in dead if path.exists()]
            left = {entry.name for entry in tmp_path.iterdir()}
            assert left == {*(path.name for path in stay), ".out.99999998", "out"}
            assert (tmp_path / "elsewhere" / "parts").exists()
        finally:
            living.kill()


@pytest.mark.parametrize("done", [False, True])
def test_a_start_that_is_interrupted_leaves_nothing(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    """Nor the folders above it, by Ctrl-C while the disk gets the folder; once it is in its place,
    it stays."""

    def interrupted(beside: Path, path: Path) -> None:
        assert (beside / "search.toml").exists()
        if done:
            beside.rename(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(placing, "place", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _begin(prepared, tmp_path / "runs/out")
    left = [
        path.name for path in tmp_path.rglob("*") if path.parent in (tmp_path, tmp_path / "runs")
    ]
    assert sorted(left) == (["out", "runs"] if done else [])


def test_a_start_that_was_killed_while_it_filled_a_jobs_folder_holds_nobody_up(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claim is seen to be dead, by those that wait together too."""
    monkeypatch.setattr(starting, "WAIT_SECONDS", 0.3)
    out = tmp_path / "out"
    (out / "slurm").mkdir(parents=True)
    (tmp_path / ".out.filling").mkdir()
    assert {made.path for made in at_once(prepared, out)} == {out}
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_summary_does_not_say_that_nothing_was_left(tmp_path: Path, shell: Any) -> None:
    """Where a budget is so short that no pack ended, it tells what is left."""
    done = shell(
        "run",
        "--trials",
        "4",
        "--steps",
        "200000000",
        "--program",
        "eager",
        "--engine",
        "inline",
        "--time-budget",
        "1s",
        "--out",
        "out",
    )
    assert "left    4 of 4 fits" in done.stdout
    assert "in which no fit came to its end" in done.stdout
    assert "nothing was left" not in done.stdout
