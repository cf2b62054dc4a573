"""Run folders of earlier versions: their rows are read, and nothing is written into those that are
not gone on with."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy
import pytest

import shoal

FORMATS = Path(__file__).parent / "formats"
"""Made by commits of those formats: `out` to its end, `cut` killed by SIGKILL after a round, `own`
of a problem in a file."""


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


@pytest.mark.parametrize("version", [4, 5])
def test_a_trial_of_a_users_own_problem_is_fitted_again_and_predicts(version: int) -> None:
    """By the folder's copy of it, with the numbers of its row."""
    result = shoal.load(FORMATS / f"own{version}")
    for trial in range(6):
        row = result.trials.query("trial == @trial and replicate == 1").iloc[0]
        again = result.refit(trial, 1)
        assert again.numbers == {"loss": pytest.approx(row["loss"], rel=1e-5)}
        w = again.one.named["w"]
        assert len(w) == row["degree"] + 1
        found = result.predict(trial, numpy.array([[0.5], [2.0]], dtype="float32"), 1)
        assert found == pytest.approx(numpy.polyval(w[::-1], [0.5, 2.0]), rel=1e-4)
    with pytest.raises(shoal.BadInput, match=r"trial 0 are not kept \(keep=0\): shoal fit "):
        result.parameters(0)


@pytest.mark.parametrize("version", [3, 4, 5])
def test_a_trial_of_another_version_of_a_problem_is_not_fitted_again(version: int) -> None:
    """One line says so: it would be another fit."""
    result = shoal.load(FORMATS / f"out{version}")
    told = r"^\S+ was made with another version of legendre-sine \(.*\), which alone fits its"
    with pytest.raises(shoal.BadInput, match=told):
        result.refit("best")
    with pytest.raises(shoal.BadInput, match=told):
        result.predict("best", numpy.ones((1, 1)))


def test_a_search_whose_sgd_had_no_momentum_is_not_gone_on_with(tmp_path: Path) -> None:
    """Its rows are read; others, in which sgd has it, do not mix into them without a word."""
    out, whole = tmp_path / "out", FORMATS / "out6"
    shutil.copytree(FORMATS / "cut6", out)
    toml = (out / "search.toml").read_text()
    assert len(shoal.load(out).trials) == 1
    for space in (None, {"optimizer": "sgd,momentum,adam", "momentum": "0:0.9"}):
        with pytest.raises(shoal.BadInput, match="whose sgd had no momentum"):
            shoal.run(out=out, space=space, trials=16, engine="inline")
    assert (out / "search.toml").read_text() == toml
    assert shoal.load(whole).trials["momentum"].notna().all()
    assert set(shoal.load(whole).best.index) >= {"momentum", "optimizer"}
    result = shoal.load(whole)
    sgd = result.trials.query("optimizer == 'sgd'")["trial"].iloc[0]
    with pytest.raises(shoal.SearchError, match="whose sgd had no momentum"):
        result.refit(int(sgd))
    ended = shutil.copytree(whole, tmp_path / "ended")
    assert shoal.run(out=ended, engine="inline").ended == 16
