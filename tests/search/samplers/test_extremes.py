"""Ends of ranges, ranges as wide as floats are, and losses that are few or enormous."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy
import pytest

from shoal.search.samplers.gaussian_process import MAX_LOSS, tamed
from shoal.search.samplers.rounds import RoundSampler
from shoal.search.samplers.sampler import Columns, Earlier
from shoal.search.space.axes import Axis, Floats
from shoal.search.space.space import Space, parse

ROUND = 16


def search(
    texts: dict[str, str],
    loss: Callable[[Columns], Floats],
    rounds: int = 6,
    name: str = "tpe",
    seed: int = 3,
) -> Columns:
    """The trials of a search in which each round knows what came of those before the last."""
    space = Space(parse(*item) for item in texts.items())
    sampler = RoundSampler(name, seed, space)
    columns = sampler.empty(0)
    for k in range(rounds):
        told = max(0, k - 1) * ROUND
        scores = loss({name: column[:told] for name, column in columns.items()})
        known = Earlier(columns=columns, scores=scores)
        asked = sampler.ask(k, k * ROUND, ROUND, known, threading.Event())
        columns = {n: numpy.concatenate([columns[n], asked[n]]) for n in columns}
    return columns


@pytest.mark.parametrize("text", ["0:1", "1e-5:1e-1:log", "0.1:0.7"])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_very_end_of_a_range_is_tried_where_it_is_the_best(text: str, sign: int) -> None:
    """Bit for bit, not only nearly."""
    low, high = (float(end) for end in text.split(":")[:2])
    seen = numpy.log if text.endswith("log") else numpy.asarray
    found = search(
        {"x": text, "y": "0:1"}, lambda c: sign * seen(c["x"]) + (c["y"] - 0.3) ** 2, rounds=8
    )
    assert (low if sign > 0 else high) in found["x"]
    assert low <= found["x"].min()
    assert found["x"].max() <= high


@pytest.mark.parametrize(
    ("low", "high", "log"), [(0.1, 0.7, False), (1e-5, 0.1, True), (-1e308, 1e308, False)]
)
def test_the_ends_have_the_coordinates_0_and_1(low: float, high: float, log: bool) -> None:
    """There and back."""
    axis = Axis(low=low, high=high, log=log)
    ends = numpy.array([low, high])
    assert axis.values(numpy.array([0.0, 1.0])).tolist() == [low, high]
    assert axis.coordinates(ends).tolist() == [0.0, 1.0]
    inside = axis.values(numpy.array([0.25, 0.5]))
    assert numpy.allclose(axis.coordinates(inside), [0.25, 0.5])


@pytest.mark.parametrize("name", ["tpe", "qmc", "random"])
def test_a_range_may_be_as_wide_as_floats_are(name: str) -> None:
    """Its width is no float."""
    found = search({"x": "-1e308:1e308"}, lambda c: (c["x"] / 1e308 - 0.5) ** 2, name=name)["x"]
    assert numpy.isfinite(found).all()
    assert found.min() < -3e307
    assert found.max() > 3e307
    if name == "tpe":
        assert numpy.abs(found[-ROUND:] / 1e308 - 0.5).mean() < 0.3


def test_one_finite_loss_among_many_that_diverged_teaches_something() -> None:
    """What comes next gathers about its trial, from one such trial on."""
    space = Space(parse(name, "0:1") for name in ("x", "y"))
    sampler = RoundSampler("tpe", 3, space)
    first = sampler.ask(
        0, 0, ROUND, Earlier(columns=sampler.empty(0), scores=numpy.zeros(0)), threading.Event()
    )
    scores = numpy.full(ROUND, numpy.inf)
    scores[5] = 1.0
    known = Earlier(columns=first, scores=scores)
    found = sampler.ask(1, ROUND, 200, known, threading.Event())
    away = numpy.hypot(found["x"] - first["x"][5], found["y"] - first["y"][5])
    assert (away < 0.3).mean() > 0.45
    lost = sampler.ask(
        1, ROUND, 200, Earlier(columns=first, scores=scores * numpy.inf), threading.Event()
    )
    away = numpy.hypot(lost["x"] - first["x"][5], lost["y"] - first["y"][5])
    assert (away < 0.3).mean() < 0.35


def test_enormous_losses_keep_their_order() -> None:
    """Up to the largest float; and those that are not stay as they are."""
    loss = numpy.array(
        [-1e308, -1e200, -1e151, -1e150, 0.0, 1e-300, 1.0, 1e150, 1e151, 1e300, numpy.inf]
    )
    found = tamed(loss)
    assert (numpy.diff(found[:-1]) > 0).all()
    assert found[3:8].tolist() == loss[3:8].tolist()
    assert numpy.isfinite(found[:-1] ** 2).all()
    assert found[-1] == numpy.inf
    assert tamed(loss[3:8]) is not None
    assert numpy.abs(found[:-1]).max() < 400 * MAX_LOSS


def test_a_search_learns_from_losses_that_are_all_enormous() -> None:
    """From their order."""
    found = search(
        {"x": "0:1", "y": "0:1"}, lambda c: 10.0 ** (200 + 100 * abs(c["x"] - 0.3)), rounds=8
    )
    assert numpy.abs(found["x"][-2 * ROUND :] - 0.3).mean() < 0.1
