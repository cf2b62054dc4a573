"""Judges against rules written out for one fit after the other, on random curves."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest
import torch

from shoal.trainable.pruning import Judge, Known, Pruner, pruner_of
from shoal.trainable.pruning.registry import PRUNERS

REPORTS = 12

WRITTEN = [
    "halving",
    "halving:factor=2,start=1",
    "halving:factor=2.5,start=3",
    "median",
    "median:known=1,start=3",
    "threshold:worst=0.9",
    "threshold:worst=0.5,start=4",
]

Key = tuple[int, int]


def expected(text: str, curves: dict[Key, Any], earlier: dict[Key, Any], best: bool) -> Any:
    """Return after how many reports each fit of a pack ends; fits one by one, by number.

    Args:
        curves: what a fit would report, by trial and replicate; earlier: what earlier rounds have.
    """
    name, _, rest = text.partition(":")
    given = {k: float(v) for k, v in (part.split("=") for part in rest.split(",") if part)}
    start = int(given.get("start", 0))
    ended: dict[Key, int] = {}
    for key in sorted(curves):
        ended[key] = len(curves[key])
        for n in range(1, len(curves[key])):
            mine, ahead = at_report(curves[key], n, best)
            others, heads = [], []
            for other, curve in [*earlier.items(), *curves.items()]:
                reached = len(curve) if other in earlier else ended.get(other, 0)
                if other != key and other[1] == key[1] and reached >= n:
                    score, head = at_report(curve, n, best)
                    others.append(score)
                    heads.append(head)
            better = sum(score < mine for score in others)
            sooner = sum(head < ahead for head in heads)
            if name == "threshold":
                behind = n >= max(start, 1) and mine > given["worst"]
            elif name == "median":
                enough = len(others) >= given.get("known", 5)
                behind = n in medians(start) and enough and 2 * better > len(others)
            else:
                factor = given.get("factor", 5)
                most = max(1, int((len(others) + 1) / factor))
                behind = n in rungs(start, factor) and min(better, sooner) >= most
            if behind:
                ended[key] = n
                break
    return ended


def at_report(curve: Any, n: int, best: bool) -> tuple[float, float]:
    """The score at a report, and what it would be at twice that, if it went on so."""

    def at(report: int) -> float:
        return float(min(curve[:report]) if best else curve[report - 1])

    now = at(n)
    if n == 1 or not (math.isfinite(now) and math.isfinite(at(n // 2))):
        return now, now
    return now, 2 * now - at(n // 2)


def rungs(start: int, factor: float) -> set[int]:
    """The rungs of successive halving."""
    return {int(-(-(start or 2) * factor**i // 1)) for i in range(9)}


def medians(start: int) -> set[int]:
    """Reports at which a median is taken: each up to the tenth, then a tenth apart."""
    return {n for n in range(max(start, 1), 16) if n != 15}


def judged(
    pruner: Pruner, curves: dict[Key, Any], known: Known, width: int, best: bool
) -> dict[Key, int]:
    """Return after how many reports each fit ends, where `width` of them go side by side."""
    keys = sorted(curves)
    judge = Judge(
        pruner,
        pruner.rungs(1, REPORTS),
        maximize=False,
        best=best,
        trial=torch.tensor([trial for trial, _ in keys]),
        replicate=torch.tensor([replicate for _, replicate in keys]),
        known=known,
    )
    ended: dict[Key, int] = {}
    slots = [[lane, 0] for lane in range(min(width, len(keys)))]
    coming = iter(range(len(slots), len(keys)))
    while slots:
        lane, age = torch.tensor(slots).T
        reports = age + 1
        scores = torch.tensor([curves[keys[i]][n] for i, n in slots], dtype=torch.float64)
        for _ in range(2):  # told the same again, it says the same
            judge.note(lane, reports, scores)
            behind = judge.behind(lane, reports)
        left = []
        for (at, before), gone in zip(slots, behind.tolist(), strict=True):
            if gone or before + 1 == len(curves[keys[at]]):
                ended[keys[at]] = before + 1
                if (new := next(coming, None)) is not None:
                    left.append([new, 0])
            else:
                left.append([at, before + 1])
        slots = left
    return ended


def made(seed: int, trials: range) -> dict[Key, Any]:
    """Random curves that cross, of two replicates; some are short, some are not finite."""
    chance = numpy.random.default_rng((seed, trials.start))
    found = {}
    for trial in trials:
        for replicate in range(2):
            length = REPORTS if chance.random() < 0.8 else int(chance.integers(1, REPORTS))
            curve = chance.random() + chance.normal(0, 0.3, length).cumsum() / 3
            curve[chance.random(length) < 0.02] = numpy.inf
            found[trial, replicate] = curve.round(1).tolist()  # so that some are equal
    return found


@pytest.mark.parametrize("best", [False, True])
@pytest.mark.parametrize("text", WRITTEN)
def test_fits_end_where_the_rule_says_in_any_number_side_by_side(text: str, best: bool) -> None:
    """With fits of earlier rounds or none; and where some of the pack have ended before."""
    pruner = pruner_of(text)
    assert pruner is not None
    at = pruner.rungs(1, REPORTS)
    some = set()
    for seed in range(6):
        curves = made(seed, range(40, 64))
        earlier = made(seed, range(40)) if seed % 2 else {}

        def at_rungs(curve: Any) -> list[tuple[float, ...]]:
            none = (math.nan, math.nan)
            here = [at_report(curve, n, best) if n <= len(curve) else none for n in at]
            return here if pruner.ahead else [each[:1] for each in here]

        reached = {
            replicate: numpy.array([at_rungs(c) for (_, r), c in earlier.items() if r == replicate])
            for replicate in range(2)
        }
        known = Known(
            earlier={
                replicate: tuple(
                    torch.from_numpy(numpy.sort(each[~numpy.isnan(each[:, 0])].T).copy(order="C"))
                    for each in table.swapaxes(0, 1)
                )
                for replicate, table in reached.items()
                if len(table)
            }
        )
        right = expected(text, curves, earlier, best)
        for width in (1, 5, 48):
            assert judged(pruner, curves, known, width, best) == right, (seed, width)
        some |= {right[key] < len(curves[key]) for key in curves}
        ended = [key for key in sorted(curves) if key[0] < 50]
        later = {key: curve for key, curve in curves.items() if key[0] >= 50}
        own = Known(
            earlier=known.earlier,
            trial=torch.tensor([trial for trial, _ in ended]),
            replicate=torch.tensor([replicate for _, replicate in ended]),
            scores=torch.tensor(
                [at_rungs(curves[key][: right[key]]) for key in ended], dtype=torch.float64
            ),
        )
        assert judged(pruner, later, own, 7, best) == {key: right[key] for key in later}
    assert some == {False, True}


def test_the_first_to_reach_a_rung_goes_on() -> None:
    """Halving and the median compare with others alone."""
    for name in ("halving", "median"):
        pruner = pruner_of(name)
        assert pruner is not None
        assert int(pruner.places(torch.tensor([0]))) > 0


@pytest.mark.parametrize("name", PRUNERS)
def test_a_pruner_is_written_as_it_is_read(name: str) -> None:
    """With all of its parameters."""
    pruner = pruner_of({"threshold": "threshold:worst=0.5"}.get(name, name))
    assert pruner_of(str(pruner)) == pruner
    assert str(pruner).startswith(f"{name}:")
    assert "start=0" in str(pruner)
