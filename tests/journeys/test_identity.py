"""The table of a search depends on its seed and arguments alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pyarrow as pa
import pytest

import shoal
from shoal.search.folder.placing import create
from shoal.search.folder.reader import RunFolder
from shoal.search.folder.writer import Writer
from shoal.trainable.problems.finding import find

SPACE = {"lr": "1e-7:1e-3:log", "optimizer": "sgd,momentum,adam", "momentum": "0:0.99"}

Same = Callable[[Path, Path], None]


def arguments(sampler: str) -> dict[str, Any]:
    """A search of six rounds over three optimizers: 96 trials of two replicates, in small packs."""
    return {
        "problem": "legendre-sine",
        "space": SPACE,
        "trials": 96,
        "replicates": 2,
        "steps": 60,
        "report": 25,
        "seed": 3,
        "sampler": sampler,
        "round": 16,
        "pack": 8,
        "block": 4,
    }


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The run folder of each sampler's search, inline and in one go."""
    made: dict[str, Path] = {}

    def folder(sampler: str) -> Path:
        if sampler not in made:
            out = tmp_path_factory.mktemp("reference") / sampler
            shoal.run(**arguments(sampler), out=out, engine="inline")
            made[sampler] = out
        return made[sampler]

    return folder


@pytest.mark.parametrize("sampler", ["tpe", "qmc", "random"])
def test_each_trial_and_replicate_has_one_row(
    reference: Callable[[str], Path], sampler: str
) -> None:
    """As many rows as were asked for, each trial and replicate once, in order."""
    trials = pandas.read_parquet(reference(sampler) / "trials.parquet")
    expected = [(t, r) for t in range(96) for r in range(2)]
    assert list(zip(trials["trial"], trials["replicate"], strict=True)) == expected
    assert trials["lr"].between(1e-7, 1e-3).all()
    assert trials.groupby("trial")["lr"].nunique().eq(1).all()
    assert trials["lr"].nunique() == 96
    assert set(trials["optimizer"]) == {"sgd", "momentum", "adam"}


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.usefixtures("one_ray")
def test_workers_and_engine_do_not_change_the_table(
    tmp_path: Path, same_folder: Same, reference: Callable[[str], Path], workers: int
) -> None:
    """Over some workers of Ray Tune, and inline, the table is the same, and the kept parameters;
    of a sampler that asks by what it was told."""
    out = tmp_path / "ray"
    shoal.run(**arguments("tpe"), out=out, engine="ray", workers=workers)
    same_folder(reference("tpe"), out)


@pytest.mark.parametrize("sampler", ["tpe", "qmc"])
def test_threads_do_not_change_the_table(
    tmp_path: Path, same_folder: Same, reference: Callable[[str], Path], sampler: str
) -> None:
    """Inline, three packs at once, on two cores or more."""
    shoal.run(**arguments(sampler), out=tmp_path / "out", engine="inline", workers=3)
    same_folder(reference(sampler), tmp_path / "out")


@pytest.mark.long
@pytest.mark.usefixtures("one_ray")
def test_a_compiled_search_has_one_table_too(tmp_path: Path, same_folder: Same) -> None:
    """By one thread, by three, and over two workers of Ray Tune; in blocks of any size."""
    asked = {**arguments("tpe"), "program": "compiled"}
    ways: list[dict[str, Any]] = [
        {"engine": "inline", "workers": 1},
        {"engine": "inline", "workers": 3},
        {"engine": "ray", "workers": 2},
        {"engine": "inline", "block": 7},
    ]
    for i, way in enumerate(ways):
        shoal.run(**{**asked, **way}, out=tmp_path / str(i))
        same_folder(tmp_path / "0", tmp_path / str(i))


@pytest.mark.parametrize("rounds", [1, 2, 3, 5])
@pytest.mark.parametrize("sampler", ["tpe", "qmc", "random"])
def test_a_search_stopped_after_any_round_goes_on_to_the_same_table(
    tmp_path: Path,
    same_table: Same,
    reference: Callable[[str], Path],
    sampler: str,
    rounds: int,
    part_of: Callable[..., pa.Table],
) -> None:
    """A folder that holds the first rounds and one pack of the next goes on to the same table."""
    out = tmp_path / "stopped"
    keep_rows(
        part_of,
        reference(sampler),
        out,
        lambda t: (t["round"] < rounds) | ((t["round"] == rounds) & (t["pack"] == 1)),
    )
    result = shoal.run(out=out, engine="inline")
    assert len(result.trials) == 192
    same_table(reference(sampler), out)


def test_a_later_round_may_have_ended_before_an_earlier_one(
    tmp_path: Path,
    same_table: Same,
    reference: Callable[[str], Path],
    part_of: Callable[..., pa.Table],
) -> None:
    """Round 2 whole and round 1 not, as two rounds in flight leave it: the same table."""
    out = tmp_path / "holes"
    keep_rows(part_of, reference("tpe"), out, lambda t: t["round"].isin([0, 2]) | (t["pack"] == 0))
    shoal.run(out=out, engine="inline")
    same_table(reference("tpe"), out)


def keep_rows(
    part_of: Callable[..., pa.Table],
    whole: Path,
    out: Path,
    keep: Callable[[pandas.DataFrame], pandas.Series],
) -> None:
    """Make `out` the run folder `whole` with some of its rows only, in parts."""
    trials = pandas.read_parquet(whole / "trials.parquet")
    kept = keep(trials)
    assert 0 < kept.sum() < len(trials)
    folder = RunFolder.open(whole)
    writer = Writer(create(out, folder.request, find(folder.request.problem)), print)
    for (round_, pack), rows in trials[kept].groupby(["round", "pack"]):
        chosen = pa.array(trials.index.isin(rows.index))
        writer.add(f"r{round_:06d}-p{pack:06d}", part_of(whole, chosen))
    writer.close()
