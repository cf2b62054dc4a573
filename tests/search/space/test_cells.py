"""No trial repeats another while there are other values, whatever the axes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import numpy
import pytest

from shoal.search.samplers.rounds import RoundSampler
from shoal.search.samplers.sampler import Columns, Earlier
from shoal.search.space.axes import Axis
from shoal.search.space.cells import Cells, Gaps
from shoal.search.space.space import Space, parse

Texts = Mapping[str, str]


def asked(
    texts: Texts,
    trials: int,
    size: int,
    name: str,
    seed: int = 0,
    loss: Callable[[Columns], numpy.ndarray] | None = None,
) -> list[tuple[object, ...]]:
    """Ask for rounds as a search does, one behind; return the trials."""
    space = Space(parse(*item) for item in texts.items())
    sampler = RoundSampler(name, seed, space)
    kept, losses = sampler.empty(0), numpy.empty(0)
    rows: list[tuple[object, ...]] = []
    for k, first in enumerate(range(0, trials, size)):
        count, told = min(size, trials - first), max(0, first - size)
        earlier = Earlier(columns=kept, scores=losses[:told])
        columns = sampler.ask(k, first, count, earlier, threading.Event())
        kept = {n: numpy.concatenate([kept[n], columns[n]]) for n in kept}
        values = sampler.values(columns, count)
        rows += zip(*(values[n].tolist() for n in texts), strict=True)
        losses = numpy.append(losses, (loss or rising)(values))
    return rows


def rising(columns: Columns) -> numpy.ndarray:
    """The lower all numbers, the better: where a log range has its few small values."""
    numbers = [column for column in columns.values() if column.dtype.kind in "if"]
    return sum((numpy.log1p(numpy.abs(n.astype(float))) for n in numbers), numpy.zeros(1)) + 0.0 * (
        numpy.arange(len(next(iter(columns.values()))))
    )


SPACES: dict[str, tuple[Texts, int, int]] = {
    "integers on a logarithm": ({"w": "1:1024:int:log"}, 1024, 1024),
    "more trials than values": ({"w": "1:100:int:log"}, 120, 100),
    "integers": ({"w": "-50:461:int"}, 512, 512),
    "many integers on a logarithm": ({"w": "1:20000:int:log"}, 6000, 20000),
    "all of many": ({"w": "1:5000:int:log"}, 5000, 5000),
    "the largest integers": ({"w": f"{2**53 - 12}:{2**53}:int:log"}, 13, 13),
    "a wide logarithm": ({"w": f"1:{2**53}:int:log"}, 600, 2**53),
    "choices": ({"c": "a,b,c,d,e,f"}, 9, 6),
    "many choices": ({"c": ",".join(map(str, range(5000)))}, 5000, 5000),
    "a float of one ulp": ({"lr": "0.001:0.0010000000000000002:log"}, 4, 2),
    "a float of a few ulps": ({"lr": "0.001:0.0010000000000000009"}, 5, 5),
    "around zero": ({"lr": "-1e-323:1e-323"}, 5, 5),
    "denormals on a logarithm": ({"lr": "5e-324:5e-323:log"}, 10, 10),
    "thousands of ulps": ({"lr": "1:1.000000000001:log"}, 4504, 4504),
    "mixed": ({"w": "1:30:int:log", "b": "True,False", "k": "1:4:int"}, 240, 240),
    "mixed, many": ({"w": "1:50:int:log", "c": "a,b,c", "k": "1:40:int"}, 6000, 6000),
    "ulps and integers": ({"lr": "1:1.0000000000000009", "w": "1:20:int:log"}, 100, 100),
    "a float beside integers": ({"w": "1:3:int", "lr": "1e-3:1:log"}, 500, 10**9),
    "more than can be counted": ({f"w{i}": "1:1000000:int:log" for i in range(5)}, 600, 10**30),
}
"""Texts, trials, and how many values there are."""


@pytest.mark.parametrize("name", ["tpe", "qmc"])
@pytest.mark.parametrize("which", SPACES)
def test_no_trial_is_repeated_while_there_are_other_values(which: str, name: str) -> None:
    """In any kind of axis, over many rounds, of which two are in flight."""
    texts, trials, values = SPACES[which]
    rows = asked(texts, trials, max(2, trials // 8), name)
    assert len(rows) == trials
    assert len(set(rows)) == min(trials, values)
    if values < trials:
        assert len(set(rows[:values])) == values


@pytest.mark.parametrize("name", ["tpe", "qmc"])
@pytest.mark.parametrize("bad", [numpy.inf, numpy.nan])
def test_what_diverged_or_failed_is_not_tried_again_either(name: str, bad: float) -> None:
    """Nor where nothing else is known, or a few losses are."""
    for worse in (0, 8):

        def loss(columns: Columns, worse: int = worse) -> numpy.ndarray:
            return numpy.where(columns["w"] > worse, bad, columns["w"].astype(float))

        rows = asked({"w": "1:256:int:log"}, 256, 16, name, loss=loss)
        assert len(set(rows)) == 256


@pytest.mark.parametrize("name", ["tpe", "qmc"])
def test_a_log_range_of_integers_stays_dense_at_its_low_end(name: str) -> None:
    """Of 64 trials of 1 to 4,096, half lie below 64 and a few, but not all, of the least are in."""
    rows = [w for (w,) in asked({"w": "1:4096:int:log"}, 64, 64, name)]
    assert 24 <= sum(w <= 64 for w in rows) <= 40
    assert {1, 2, 3, 4} <= set(rows)
    rows = [w for (w,) in asked({"w": "1:100000:int:log"}, 2000, 2000, name)]
    below = sum(w <= 1000 for w in rows)  # 60 % of the logarithm, but for what is used up
    assert 500 <= below <= 1000
    assert {*range(1, 60)} <= set(rows)


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_a_sequence_is_the_same_in_rounds_of_any_size(size: int) -> None:
    """Also where it skips what came before, and where it begins anew."""
    for texts in ({"w": "1:200:int:log"}, {"w": "1:5000:int:log", "c": "a,b"}):
        assert asked(texts, 1000, size, "qmc") == asked(texts, 1000, 333, "qmc")


def test_a_sequence_can_be_asked_from_any_trial_on() -> None:
    """Forwards or backwards: a search that goes on asks for some rounds only."""
    space = Space([parse("w", "1:300:int:log")])
    whole = asked({"w": "1:300:int:log"}, 400, 400, "qmc", seed=5)
    sampler = RoundSampler("qmc", 5, space)
    nothing = Earlier(columns={}, scores=numpy.empty(0))
    for first, count in ((200, 50), (390, 10), (0, 20), (100, 300), (100, 1)):
        columns = sampler.ask(9, first, count, nothing, threading.Event())
        assert [(w,) for w in columns["w"].tolist()] == whole[first : first + count]


GOLDEN = {
    ("tpe", 1, 64): [9.987987795057052e-06, 9.434725900092644e-06],
    ("tpe", 3, 512): [1.0000006927413096e-05, 7.883951669285238e-06],
    ("qmc", 1, 512): [1.7596468438796364e-05, 7.89881701557249e-06],
    ("qmc", 3, 512): [3.4554353163684937e-05, 7.883951669285238e-06],
}
"""The last two lr of so many, as they were drawn before cells were counted. Of more by `tpe` along
one axis, the last digit of a logarithm decides: another processor or numpy has another one."""


@pytest.mark.parametrize(("name", "axes", "trials"), GOLDEN)
def test_continuous_spaces_are_drawn_as_ever(name: str, axes: int, trials: int) -> None:
    """What counts the values of integers changes no draw of floats."""
    texts = {"lr": "1e-7:1e-3:log", "x1": "0:1", "x2": "-1:1"}
    texts = dict(list(texts.items())[:axes])

    def loss(c: Columns) -> numpy.ndarray:
        far = (numpy.log10(c["lr"]) + 5) ** 2 + sum((c[n] - 0.3) ** 2 for n in c if n != "lr")
        return numpy.where(c["lr"] > 1e-4, numpy.inf, far)

    rows = asked(texts, trials, 16 if axes == 1 else 32, name, loss=loss)
    assert [row[0] for row in rows[-2:]] == pytest.approx(GOLDEN[name, axes, trials], rel=1e-9)


def test_what_is_unused_is_found_as_by_hand() -> None:
    """The nearest unused number, the upper one of two, until there is none."""
    rng = numpy.random.default_rng(0)
    for _ in range(200):
        count = int(rng.integers(1, 40))
        used = {int(n) for n in rng.integers(0, count, int(rng.integers(0, count + 5)))}
        gaps = Gaps(numpy.array(sorted(used), numpy.uint64), count)
        wanted = [int(n) for n in rng.integers(0, count, count + 3)]
        taken = gaps.take(wanted)
        for number, found in zip(wanted, taken, strict=False):
            free = [n for n in range(count) if n not in used]
            assert found == min(free, key=lambda n, number=number: (abs(n - number), -n))
            used.add(found)
        assert len(used) == count


@pytest.mark.parametrize(
    "axis",
    [
        Axis(choices=7),
        Axis(low=-3, high=9, step=1.0),
        Axis(low=1, high=900, step=1.0, log=True),
        Axis(low=-1e-320, high=1e-320),
        Axis(low=-2.0, high=5.0),
        Axis(low=1e-3, high=1e3, log=True),
        Axis(low=0.1, high=0.9, step=0.1),
        Axis(low=-(2.0**53), high=2.0**53, step=1.0),
    ],
    ids=str,
)
def test_ranks_count_the_values_of_an_axis(axis: Axis) -> None:
    """From 0 to one less than there are, in order, and back."""
    ends = [0, 1, axis.count // 3, axis.count - 1]
    ranks = numpy.array(ends, numpy.uint64)
    values = axis.of_ranks(ranks)
    assert axis.ranks(values).tolist() == ends
    assert (numpy.diff(values.astype(float)) > 0).all()
    if not axis.choices:
        assert values[0] == axis.low
        assert values[-1] == pytest.approx(axis.high)


def test_numbers_of_cells_are_their_places() -> None:
    """Every cell of a small space has its own, without a gap."""
    axes = [Axis(low=1, high=5, step=1.0, log=True), Axis(choices=3), Axis(low=0, high=1, step=1.0)]
    cells = Cells(axes)
    columns = cells.columns(numpy.arange(30, dtype=numpy.uint64))
    assert cells.count == 30
    assert cells.numbers(columns).tolist() == list(range(30))
    assert len(set(zip(*(c.tolist() for c in columns), strict=True))) == 30


def test_counting_costs_little(record_property: Callable[[str, object], None]) -> None:
    """Thousands of trials of integers on a logarithm, a tenth of a millisecond each at most."""
    for name in ("tpe", "qmc"):
        began = time.process_time()
        asked({"w": "1:100000:int:log"}, 20_000, 2000, name)
        took = 1e3 * (time.process_time() - began) / 20_000
        record_property("measured", f"{name}: {took:.3f} ms a trial of integers on a logarithm")
        assert took < 0.5  # ten times what it is, for a machine that is busy
