"""A large search in columns: parts of several packs, merges, reading, resuming."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shoal
from shoal.search.folder.placing import create
from shoal.search.folder.reader import RunFolder
from shoal.search.folder.tables import merging
from shoal.search.folder.tables.keys import Keys, in_order
from shoal.search.folder.writer import Writer
from shoal.search.request import Objective
from shoal.search.results.ranking import ranking
from shoal.trainable.problems.finding import find

PartOf = Callable[[Path, pa.Array], pa.Table]
LANES = 100_000
ASKED = {
    "space": {"lr": "1e-8:1e-4:log"},
    "trials": 24,
    "replicates": 2,
    "steps": 20,
    "round": 12,
    "pack": 8,
    "sampler": "random",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search of 48 fits in 6 packs."""
    out = tmp_path_factory.mktemp("whole") / "out"
    shoal.run(**ASKED, out=out, engine="inline")
    return out


def asked(lanes: int, replicates: int = 1) -> Any:
    """What of a request says which rows there are."""
    return SimpleNamespace(
        lanes=lanes, fits=replicates, fit_numbers=lambda table: table["replicate"].to_numpy()
    )


def rows(first: int, count: int) -> pa.Table:
    """Trials of one replicate each, of which some columns are there."""
    trial = numpy.arange(first, first + count)
    return pa.table(
        {"trial": trial, "replicate": numpy.zeros(count, dtype=numpy.int64), "loss": trial / 7}
    )


def test_rows_merged_late_and_out_of_order_are_each_there_once_in_order(tmp_path: Path) -> None:
    """100,000 rows merged in four pieces, of which the last lies between the others."""
    known, before = Keys(asked(LANES)), tmp_path / "0"
    pq.write_table(rows(0, 0), before)
    for number, (first, count) in enumerate(
        [(0, 40_000), (90_000, 10_000), (60_000, 30_000), (40_000, 20_000)], start=1
    ):
        after = tmp_path / str(number)
        more = rows(first, count)
        with open(before, "rb") as old, open(after, "wb") as new:
            merging.merge(old, more, known, asked(LANES), new)
        assert known.add(after, more)
        assert not known.add(after, more), "what is known is not new"
        before = after
    assert len(known) == LANES
    assert pq.read_table(before).equals(rows(0, LANES))


def test_rows_of_lanes_that_are_there_in_part_are_refused() -> None:
    """A file with some known lanes and some new ones is of no search of ours."""
    known = Keys(asked(10))
    known.add(Path("a"), rows(0, 5))
    with pytest.raises(shoal.RunFolderError, match="b has rows that are there already; move it"):
        known.add(Path("b"), rows(3, 5))
    with pytest.raises(shoal.RunFolderError, match="c has rows that are not of this search; move"):
        known.add(Path("c"), rows(8, 5))


def test_rows_come_in_order_of_trial_and_replicate_whatever_their_order() -> None:
    """As pandas sorts them; the rows of a lane keep theirs."""
    chance = numpy.random.default_rng(0)
    table = pa.table(
        {
            "trial": chance.integers(0, 500, LANES),
            "replicate": chance.integers(0, 3, LANES),
            "step": numpy.arange(LANES),
        }
    )
    expected = table.to_pandas().sort_values(["trial", "replicate"], kind="stable")
    pandas.testing.assert_frame_equal(
        in_order(table, asked(LANES, 3)).to_pandas(), expected.reset_index(drop=True)
    )


def test_the_ranking_is_that_of_pandas() -> None:
    """Mean losses, of equals the first; incomplete and failed trials do not count."""
    chance = numpy.random.default_rng(1)
    trial = numpy.repeat(numpy.arange(LANES // 4), 4)
    loss = numpy.round(chance.lognormal(size=LANES), 1)
    loss[chance.random(LANES) < 0.1] = numpy.inf
    frame = pandas.DataFrame({"trial": trial, "loss": loss})
    frame["state"] = numpy.where(chance.random(LANES) < 0.01, "failed", "complete")
    frame = frame[chance.random(LANES) < 0.99]
    groups = frame.groupby("trial")
    counts = (groups.size() == 4) & ~groups["state"].agg(lambda s: (s == "failed").any())
    expected = groups["loss"].mean()[counts]
    request: Any = SimpleNamespace(fits=4, columns=("loss",), goal=Objective())
    where, means = ranking(pa.Table.from_pandas(frame, preserve_index=False), request)
    found = pandas.Series(means["loss"], index=frame["trial"].iloc[where])
    pandas.testing.assert_series_equal(found.sort_index(), expected, rtol=1e-15, check_names=False)
    assert found.is_monotonic_increasing
    assert [*found.index] == [*found.sort_index().sort_values(kind="stable").index]


@pytest.mark.parametrize("moment", ["nothing merged", "curves merged"])
def test_a_search_goes_on_from_parts_of_several_packs(
    whole: Path, tmp_path: Path, part_of: PartOf, moment: str
) -> None:
    """Killed with packs of two rounds in one part: what is there is kept, the rest is done, and no
    row changes."""
    out = tmp_path / "out"
    writer = Writer(create(out, RunFolder.open(whole).request, find("cubic-sine")), print)
    pack = numpy.arange(48) // 8
    writer.add("r000000-p000000", part_of(whole, pa.array(pack == 0)))
    writer.add("r000000-p000001", part_of(whole, pa.array((pack == 1) | (pack == 4))), others=1)
    if moment == "curves merged":
        shutil.copytree(out, tmp_path / "merged")
        writer.merge()
        shutil.copy(out / "curves.parquet", tmp_path / "merged")
        shutil.copy(out / "digests.json", tmp_path / "merged")
        out = tmp_path / "merged"
    else:
        assert sorted(f.name.partition(".")[0] for f in (out / "parts").iterdir()) == [
            "r000000-p000000",
            "r000000-p000001+1",
        ]
    writer.close()
    held = shoal.load(out).trials
    assert len(held) == 24
    went_on = shoal.run(out=out, engine="inline")
    kept = went_on.trials.merge(held[["trial", "replicate"]])
    pandas.testing.assert_frame_equal(kept, held, check_exact=True)  # also their times
    expected = shoal.load(whole)
    pandas.testing.assert_frame_equal(went_on.curves, expected.curves, check_exact=True)
    columns = ["trial", "replicate", "lr", "loss", "state", "steps", "round", "pack"]
    pandas.testing.assert_frame_equal(
        went_on.trials[columns], expected.trials[columns], check_exact=True
    )
