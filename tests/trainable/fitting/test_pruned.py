"""Lanes that are pruned: where each stops does not depend on the block that it is in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy
import pytest
import torch

from shoal.trainable.fitting import Plan, fit
from shoal.trainable.fitting.block import Snapshot
from shoal.trainable.lanes import COMPLETE, DIVERGED, PRUNED, Fitted, Lanes
from shoal.trainable.programs import EAGER, KERNEL, Program
from shoal.trainable.pruning import Known, pruner_of

STEPS, REPORT, COUNT = 45, 5, 36


class Line:
    """A line through points, in float64."""

    def data(self) -> Any:
        x = torch.linspace(-1, 1, 12, dtype=torch.float64)
        return x, 0.5 + 2 * x + torch.sin(9 * x)

    def initial(self, seed: int) -> Any:
        generator = torch.Generator().manual_seed(seed)
        return {"w": torch.randn(2, generator=generator, dtype=torch.float64)}

    def loss_and_gradient(self, params: Any, data: Any) -> Any:
        x, y = data
        r = params["w"][0] + params["w"][1] * x - y
        return (r * r).mean(), {"w": torch.stack([2 * r.mean(), 2 * (r * x).mean()])}

    def metrics(self, params: Any, rows: Any) -> Any:
        x, y = rows
        return {"score": -(params["w"][0] + params["w"][1] * x - y).abs().mean()}


class InBatches(Line):
    """The same in batches, for which lanes have one seed and are at one step."""

    batch = 5


class Pausing:
    """A keeper that gives a pack up at each reporting step, and remembers it."""

    def __init__(self) -> None:
        self.held: Snapshot | None = None
        self.left = 1

    def begin(self) -> Snapshot | None:
        self.left = 1
        return self.held

    def refuse(self) -> None:
        raise AssertionError

    def due(self) -> bool:
        self.left -= 1
        return self.left < 0

    def keep(self, snapshot: Snapshot) -> None:
        self.held = snapshot

    def stopped(self) -> bool:
        return self.left < 0


def lanes_of(count: int = COUNT) -> Lanes:
    """Two replicates of each trial, with learning rates in no order, some of which diverge."""
    chance = numpy.random.default_rng(0)
    at = torch.arange(count)
    return Lanes(
        trial=at // 2,
        replicate=at % 2,
        seed=at % 2,
        values={
            "lr": torch.from_numpy(chance.permutation(numpy.geomspace(3e-3, 3, count))),
            "momentum": torch.from_numpy(chance.uniform(0, 0.95, count)),
        },
        shape={"optimizer": "momentum"},
    )


def fitted(
    problem: type,
    plan: Plan,
    *,
    block: int,
    kind: str = EAGER,
    known: Known | None = None,
    lanes: Lanes | None = None,
    pauses: bool = False,
) -> Fitted:
    """Fit the lanes."""
    program = Program(
        problem,
        optimizer="momentum",
        shape={},
        defaults={},
        block=block,
        device="cpu",
        kind=kind,
        given=("lr", "momentum"),
    )
    lanes = lanes or lanes_of()
    keeper = Pausing() if pauses else None
    while (found := fit(program, lanes, plan, keeper, known)) is None:
        pass
    return found


def plan_of(text: str, objective: str = "loss", best: bool = False) -> Plan:
    """A plan with this pruner."""
    pruner = pruner_of(text)
    assert pruner is not None
    return Plan(
        steps=STEPS,
        report=REPORT,
        diverge_factor=1000.0,
        metrics=("score",),
        objective=objective,
        maximize=objective == "score",
        best=best,
        keep=COUNT,
        pruner=pruner,
        rungs=pruner.rungs(REPORT, STEPS),
    )


def curves(found: Fitted, lane: int) -> list[tuple[int, float, float]]:
    """The points of a lane."""
    mine = found.curve_lane == lane
    return list(
        zip(
            found.curve_step[mine].tolist(),
            found.curve_loss[mine].tolist(),
            found.curve_metrics[mine, 0].tolist(),
            strict=True,
        )
    )


def same(one: Fitted, other: Fitted) -> bool:
    """Whether two results are the same, bit for bit."""
    names = ("loss", "metrics", "best_step", "state", "steps", "curve_loss", "curve_metrics")
    return all(
        torch.equal(getattr(one, n).nan_to_num(-1), getattr(other, n).nan_to_num(-1)) for n in names
    )


Case = tuple[type, str, str, bool]

CASES: dict[str, Case] = {
    "halving": (Line, "halving:factor=2,start=5", "loss", False),
    "of a metric": (Line, "halving:factor=2,start=10", "score", False),
    "by the best report": (Line, "median:known=2", "score", True),
    "in batches": (InBatches, "halving:factor=2,start=5", "loss", False),
}


@pytest.mark.parametrize("case", CASES)
def test_no_block_and_no_pause_changes_who_is_pruned(case: str) -> None:
    """One lane at a time, some, or all at once; also where the fits are given up at each report,
    and go on in another block."""
    problem, text, objective, best = CASES[case]
    plan = plan_of(text, objective, best)
    one = fitted(problem, plan, block=1)
    assert 3 < int((one.state == PRUNED).sum()) < COUNT - 3
    assert int((one.state == DIVERGED).sum()) > 0
    for block in (5, COUNT):
        assert same(fitted(problem, plan, block=block), one)
    assert same(fitted(problem, plan, block=7, pauses=True), one)


@pytest.mark.parametrize("case", CASES)
def test_a_pruned_lane_is_as_it_was_without_until_it_stops(case: str) -> None:
    """Its curve and metrics; those that are not pruned are as they were."""
    problem, text, objective, best = CASES[case]
    plan = plan_of(text, objective, best)
    found = fitted(problem, plan, block=6)
    free = fitted(problem, replace(plan, pruner=None, rungs=()), block=6)
    for lane in range(COUNT):
        points = curves(found, lane)
        assert points == curves(free, lane)[: len(points)]
        if int(found.state[lane]) == PRUNED:
            assert int(found.steps[lane]) == REPORT * len(points) < STEPS
            assert found.metrics[lane, 0] == points[-1][2]
            assert int(found.best_step[lane]) == -1
            until = replace(plan, pruner=None, rungs=(), steps=int(found.steps[lane]), best=False)
            assert fitted(problem, until, block=6).loss[lane] == found.loss[lane]
        elif int(found.state[lane]) == COMPLETE:
            assert found.loss[lane] == free.loss[lane]
    held = found.parameters
    assert held is not None
    assert held.lane.tolist() == torch.nonzero(found.state == COMPLETE).flatten().tolist()


def test_a_kernel_drops_those_that_are_pruned_and_has_the_numbers_of_one_block() -> None:
    """It takes any number of lanes."""
    plan = plan_of("halving:factor=2,start=5")
    one = fitted(Line, plan, block=COUNT, kind=KERNEL)
    assert int((one.state == PRUNED).sum()) > 10
    assert same(fitted(Line, plan, block=8, kind=KERNEL), one)


def test_what_is_known_of_others_counts() -> None:
    """Earlier rounds that were better all over prune whatever does not beat them; those that were
    worse let go on who was not."""
    plan = plan_of("halving:factor=2,start=5")
    states = {}
    for name, score in {"better": 0.0, "worse": 1e6}.items():
        scores = torch.full((2, 500), score, dtype=torch.float64)
        earlier = {replicate: (scores,) * len(plan.rungs) for replicate in range(2)}
        states[name] = fitted(Line, plan, block=6, known=Known(earlier=earlier)).state
    assert int((states["better"] == COMPLETE).sum()) == 0
    assert int((states["worse"] == PRUNED).sum()) == 0
