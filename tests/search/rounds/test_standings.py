"""What fits had at each rung: read from parts as from whole tables, and what is told by it."""

from __future__ import annotations

from typing import Any

import numpy
import pyarrow as pa
import pytest
import torch

from shoal.search.folder.tables import rows
from shoal.search.preparation.preparation import prepare
from shoal.search.request.asked import Asked
from shoal.search.request.request import Request
from shoal.search.rounds.packs import Pack
from shoal.search.rounds.standings import Standings, standings_of
from shoal.search.rounds.told import Told
from shoal.trainable.lanes import Lanes

ASKED: dict[str, Any] = {
    "trials": 12,
    "replicates": 2,
    "round": 4,
    "steps": 40,
    "report": 5,
    "space": {"lr": "1e-8:1e-6:log"},
    "pruner": "halving:factor=2,start=5",
}


def request_of(**more: Any) -> Request:
    """Three rounds of four trials; fits are judged at their reports 1, 2 and 4."""
    return prepare(Asked.of({**ASKED, **more}), None).request


def part_of(request: Request, lanes: dict[tuple[int, int], list[float]]) -> pa.Table:
    """Rows of fits with these curves, as a part has them: shorter ones were pruned."""
    schema = rows.part_schema(request)
    listed = [
        {
            "trial": trial,
            "replicate": replicate,
            "loss": curve[-1] / 2,
            "state": "complete" if len(curve) == 8 else "pruned",
            rows.curve("step"): [5 * n + 4 for n in range(len(curve))],
            rows.curve("loss"): curve,
        }
        for (trial, replicate), curve in lanes.items()
    ]
    table = [{name: row.get(name) for name in schema.names} for row in listed]
    return pa.Table.from_pylist(table, schema=schema)


def random_curves(trials: range) -> dict[tuple[int, int], list[float]]:
    """Curves of two replicates, in no order of their keys."""
    chance = numpy.random.default_rng(trials.start)
    keys = [(trial, replicate) for trial in trials for replicate in range(2)]
    return {
        keys[i]: chance.random(int(chance.integers(1, 9))).tolist()
        for i in chance.permutation(len(keys)).tolist()
    }


@pytest.mark.parametrize("select", ["last", "best"])
def test_parts_and_tables_say_the_same(select: str) -> None:
    """At each rung what a curve has there, or the best until there; nothing where it is shorter."""
    request = request_of(select=select)
    every = random_curves(range(12))
    live, read = (Standings(request, (1, 2, 4), ahead=True) for _ in range(2))
    keys = list(every)
    for some in (keys[:7], keys[7:]):
        live.take(part_of(request, {key: every[key] for key in some}))
    _, curves = rows.split(request, part_of(request, dict(sorted(every.items()))))
    read.take_all(curves)
    right = numpy.full((12, 2, 3, 2), numpy.nan)
    for (trial, replicate), curve in every.items():
        for place, rung in enumerate((1, 2, 4)):
            if len(curve) >= rung:
                here, half = (
                    min(curve[:n]) if select == "best" else curve[n - 1]
                    for n in (rung, max(rung // 2, 1))
                )
                right[trial, replicate, place] = here, 2 * here - half
    assert numpy.array_equal(live.scores, right, equal_nan=True)
    assert numpy.array_equal(read.scores, right, equal_nan=True)


def test_a_pack_knows_the_rounds_before_the_last_and_its_own_that_have_ended() -> None:
    """Of the round before, and of other packs, nothing, though it is told."""
    request = request_of()
    standings = standings_of(request)
    assert standings is not None
    every = random_curves(range(10))
    standings.take(part_of(request, every))
    at = torch.arange(8)
    lanes = Lanes(
        trial=8 + at // 2, replicate=at % 2, seed=at % 2, values={}, shape={"optimizer": "sgd"}
    )
    whole = Pack(round=2, index=0, lanes=lanes, columns={})
    left = whole.only((at >= 4).numpy())
    (pack,) = standings.judged(request.layout[2], [(whole, left)], request.layout.known(1))
    assert pack.known is not None
    for replicate in range(2):
        for place, rung in enumerate((1, 2, 4)):
            curves = [every[trial, replicate] for trial in range(4)]
            right = sorted(curve[rung - 1] for curve in curves if len(curve) >= rung)
            assert pack.known.earlier[replicate][place][0].tolist() == right
    assert pack.known.trial.tolist() == [8, 8, 9, 9]
    assert numpy.array_equal(pack.known.scores[1].numpy(), standings.scores[8, 1], equal_nan=True)


def told_of(request: Request, *parts: dict[tuple[int, int], list[float]]) -> Told:
    """What is told of these fits."""
    found = Told(request)
    for part in parts:
        found.take(part_of(request, part))
    return found


def test_a_pruned_fit_is_told_by_its_rank_among_those_that_reached_the_same_rung() -> None:
    """Between those of its rank; beyond the worst, as much worse as it was; where nothing has come
    to its end, with what it had. It is never among the best."""
    request = request_of(replicates=1, trials=8)
    first = {
        (0, 0): [9.0, 8.0, 5.0, 4.0, 4.0, 4.0, 4.0, 2.0],
        (1, 0): [7.0, 6.0, 5.0, 5.0, 4.0, 4.0, 4.0, 6.0],
        (2, 0): [8.0],  # between the two
        (3, 0): [9.5, 8.5],  # half a unit worse than the worst of them
    }
    later = {(4, 0): [0.5] * 8}  # of a later round, which says nothing yet
    for told in (told_of(request, first), told_of(request, first, later)):
        assert told.expected(1).tolist() == [1.0, 3.0, 2.0, 3.5]
        assert told.scores(1).tolist() == [1.0, 3.0, numpy.inf, numpy.inf]
    assert told.leaders.trials.tolist() == [4, 0, 1]
    alone = told_of(request, {(trial, 0): [3.0 + trial] for trial in range(4)})
    assert alone.expected(1).tolist() == [3.0, 4.0, 5.0, 6.0]
    assert alone.leaders.first is None


def test_where_none_is_compared_a_pruned_fit_is_told_with_what_it_had() -> None:
    """By a threshold."""
    request = request_of(replicates=1, trials=8, pruner="threshold:worst=2")
    told = told_of(request, {(trial, 0): [3.0 + trial] for trial in range(4)})
    assert told.standings is None
    assert told.expected(1).tolist() == [1.5, 2.0, 2.5, 3.0]
