"""A run folder that a batch job has made before the search."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.placing import place, reserved


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
