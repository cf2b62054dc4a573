"""Rounds that are asked again: what is there stays, and only what is left is handed out."""

from __future__ import annotations

from typing import Any

import numpy
import pyarrow as pa
import pytest

from shoal.search.folder.tables import rows
from shoal.search.preparation.preparation import prepare
from shoal.search.request.amendments import Span
from shoal.search.request.asked import Asked
from shoal.search.rounds.packs import cut
from shoal.search.rounds.rounds import Rounds
from shoal.search.rounds.tasks import lanes_of

ASKED = {"trials": 32, "round": 16, "pack": 8, "steps": 1, "seed": 5, "sampler": "random"}
SPACES = {
    "one optimizer": {"lr": "1e-8:1e-6:log"},
    "packs by optimizer": {
        "lr": "1e-8:1e-6:log",
        "optimizer": "adagrad,momentum",
        "momentum": "0.1,0.5",
    },
}


SPAN = Span(number=0, first=0, stop=4, drawn=4, low=0, high=1, pack=8)


def handed_out(asked: dict[str, Any], finished: list[dict[str, Any]]) -> tuple[Rounds, list[Any]]:
    """Begin with these rows; return the first two rounds' trials as they are handed out."""
    prepared = prepare(Asked.of(asked), None)
    schema = rows.trials_schema(prepared.request)
    table = pa.Table.from_pylist(
        [{name: row.get(name) for name in schema.names} for row in finished], schema=schema
    )
    rounds = Rounds(prepared.request, prepared.shape_names, table)
    rounds.start()
    found = []
    while len(found) + len(finished) < 32:
        pack = rounds.take(timeout=120)
        assert pack is not None
        columns = {name: column.tolist() for name, column in pack.columns.items()}
        found += [
            {"trial": trial, **{name: column[i] for name, column in columns.items()}}
            for i, trial in enumerate(pack.lanes.trial.tolist())
        ]
    assert rounds.take() is None
    rounds.stop()
    return rounds, found


def row(lane: dict[str, Any], **other: Any) -> dict[str, Any]:
    """The row of a lane that has ended."""
    return {**lane, "replicate": 0, "loss": 1.0, "state": "complete", **other}


@pytest.mark.parametrize("space", SPACES)
def test_what_is_left_of_a_round_is_asked_again_as_it_was(space: str) -> None:
    """Any lanes may be there already, not only whole packs."""
    asked = {**ASKED, "space": SPACES[space]}
    _, whole = handed_out(asked, [])
    assert sorted(lane["trial"] for lane in whole) == list(range(32))
    there = [lane for lane in whole if lane["trial"] % 3 == 0]
    rounds, left = handed_out(asked, [row(lane) for lane in there])
    assert rounds.warning is None
    assert left == [lane for lane in whole if lane["trial"] % 3]


@pytest.mark.parametrize("space", SPACES)
def test_rows_that_would_not_be_asked_again_stay_and_it_is_told(space: str) -> None:
    """Another kind of processor may draw others: the search goes on, each trial once."""
    asked = {**ASKED, "space": SPACES[space]}
    _, whole = handed_out(asked, [])
    there = [row(lane, lr=2e-7) for lane in whole if lane["trial"] < 5]
    if "optimizer" in SPACES[space]:
        there = [row(lane, optimizer="adagrad", momentum=None) for lane in there]
    rounds, left = handed_out(asked, there)
    assert rounds.warning is not None
    assert "another kind of processor" in rounds.warning
    assert sorted(lane["trial"] for lane in left) == list(range(5, 32))


def test_the_replicates_that_are_left_are_of_the_trial_that_is_there() -> None:
    """Where the row of one replicate differs from what is asked again, the others follow it."""
    space = {"lr": "1e-8:1e-6:log"}
    asked = {**ASKED, "space": space, "trials": 16, "replicates": 2, "pack": 32}
    _, whole = handed_out(asked, [])
    there = [row({"trial": 3, "lr": 2e-7}), row({"trial": 4, "lr": 3e-7})]
    _, left = handed_out(asked, there)
    assert len(whole) == 32
    assert [lane for lane in left if lane["trial"] in (3, 4)] == [
        {"trial": 3, "lr": 2e-7},
        {"trial": 4, "lr": 3e-7},
    ]


@pytest.mark.parametrize("sampler", ["tpe", "qmc"])
@pytest.mark.parametrize("done", [3, 16, 21])
def test_nothing_is_repeated_where_a_search_goes_on(sampler: str, done: int) -> None:
    """With so many trials there, whole rounds and parts of them, the rest is what it was."""
    lr = "1e-6:1.0000000000000017e-06:log"  # nine values
    space = {"optimizer": "momentum", "momentum": "0.1,0.2,0.3,0.4", "lr": lr}
    asked = {**ASKED, "sampler": sampler, "space": space}
    _, whole = handed_out(asked, [])
    assert len({(lane["momentum"], lane["lr"]) for lane in whole}) == 32
    there = [lane for lane in whole if lane["trial"] < done]
    rounds, left = handed_out(asked, [row(lane) for lane in there])
    assert rounds.warning is None
    assert left == [lane for lane in whole if lane["trial"] >= done]


def test_a_pack_has_no_numbers_where_something_is_not_active() -> None:
    """In some of its fits, or in all; its rows have nulls there, and the same fits, made again from
    their rows, are as they were."""
    space = {"lr": "0.1,0.2", "optimizer": "sgd,momentum,adam", "momentum": "0:0.9", "beta1": "0.9"}
    prepared = prepare(Asked.of({**ASKED, "space": space}), None)
    columns = {
        "lr": numpy.array([0.1, 0.2, 0.1, 0.2]),
        "optimizer": numpy.array(["sgd", "adam", "momentum", "sgd"]),
        "momentum": numpy.ma.array([0.0, 0.0, 0.5, 0.25], mask=[1, 1, 0, 0]),
        "beta1": numpy.ma.array([0.9] * 4, mask=[1, 0, 1, 1]),
    }
    packs = cut(prepared.request, prepared.shape_names, SPAN._replace(first=8), columns)
    found = {pack.lanes.shape["optimizer"]: pack for pack in packs}
    nan = numpy.nan
    expected = {
        "sgd": {"lr": [0.1, 0.2], "momentum": [nan, 0.25], "beta1": [nan, nan]},
        "momentum": {"lr": [0.1], "momentum": [0.5], "beta1": [nan]},
        "adam": {"lr": [0.2], "momentum": [nan], "beta1": [0.9]},
    }
    for name, pack in found.items():
        assert list(pack.lanes.values) == list(expected[name])
        for each, values in expected[name].items():
            numpy.testing.assert_array_equal(pack.lanes.values[each].numpy(), values)
    schema = rows.trials_schema(prepared.request)
    for pack in packs:
        held = {name: column.tolist() for name, column in pack.columns.items()}
        held |= {"trial": pack.lanes.trial.tolist(), "replicate": pack.lanes.replicate.tolist()}
        count = len(pack.lanes)
        table = pa.table({n: held.get(n, [None] * count) for n in schema.names}, schema=schema)
        assert table["beta1"].null_count == (0 if "adam" in pack.lanes.shape.values() else count)
        again = lanes_of(prepared.request, prepared.shape_names, table)
        assert again.shape == pack.lanes.shape
        assert list(again.values) == list(pack.lanes.values)
        for each, values in again.values.items():
            numpy.testing.assert_array_equal(values.numpy(), pack.lanes.values[each].numpy())


def test_a_shape_leaves_out_what_is_not_active() -> None:
    """Where it is a shape hyperparameter: trials without it are a pack, not one for each value that
    stands in its place."""
    prepared = prepare(Asked.of({**ASKED, "space": {"lr": "0.1,0.2"}}), None)
    columns = {
        "lr": numpy.array([0.1, 0.2, 0.1, 0.2]),
        "depth": numpy.array([1, 2, 2, 1]),
        "width": numpy.ma.array([8, 16, 8, 32], mask=[1, 0, 0, 1]),
    }
    packs = cut(prepared.request, ("depth", "width"), SPAN, columns)
    shapes = [{n: v for n, v in pack.lanes.shape.items() if n != "optimizer"} for pack in packs]
    assert shapes == [{"depth": 1}, {"depth": 2, "width": 16}, {"depth": 2, "width": 8}]
    assert [pack.lanes.trial.tolist() for pack in packs] == [[0, 3], [1], [2]]
    assert all(set(pack.lanes.values) == {"lr"} for pack in packs)
