"""A run folder that a batch job has made before the search."""

from __future__ import annotations

from pathlib import Path

import pytest

import search
from search.folder import RunFolder
from search.placing import place, reserved
from search.writer import create
from trainable import find


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
    search.run(trials=1, steps=1, out=tmp_path / "whole", engine="inline")
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
    assert search.run(out=out, engine="inline").states()["complete"] == 1
