"""Run folders of earlier versions: their rows are read, and nothing is written into them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import shoal

FORMATS = Path(__file__).parent / "formats"
"""Made by commits of those formats: `out` to its end, `cut` killed by SIGKILL after a round."""


@pytest.mark.parametrize("version", [3, 4, 5])
def test_a_whole_folder_of_an_earlier_format_is_read(version: int) -> None:
    """Under today's names; both commits had computed the same numbers."""
    result = shoal.load(FORMATS / f"out{version}")
    assert list(result.trials)[:5] == ["trial", "replicate", "lr", "optimizer", "loss"]
    assert set(result.trials["optimizer"]) == {"sgd", "adam"}
    assert len(result.trials) == 24
    assert len(result.curves) == 384
    assert result.ended == 24
    assert result.best["loss"] == pytest.approx(result.ranking["loss"].min())
    assert len(result.study().trials) == 12
    other = shoal.load(FORMATS / "out3").trials
    assert other["loss"].equals(result.trials["loss"])


@pytest.mark.parametrize(("version", "fits", "points"), [(3, 4, 7), (4, 4, 7), (5, 8, 124)])
def test_parts_that_were_never_merged_are_read(version: int, fits: int, points: int) -> None:
    """A killed driver has left them; each row has its curve."""
    result = shoal.load(FORMATS / f"cut{version}")
    assert len(result.trials) == fits
    assert len(result.curves) == points
    assert result.ended == fits


@pytest.mark.parametrize("version", [3, 4, 5])
def test_it_is_not_gone_on_with(version: int, tmp_path: Path) -> None:
    """One line says so, and nothing in it changes."""
    out = tmp_path / "out"
    shutil.copytree(FORMATS / f"cut{version}", out)
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    with pytest.raises(shoal.BadInput, match=rf"earlier version of shoal \(format {version}\)"):
        shoal.run(out=out)
    assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == before
