"""Which reporting step counts, when a fit ends early, and whose parameters are kept.

All of it against a plain loop over one fit after the other.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import numpy
import pytest
import torch

from shoal.search.request import Objective
from shoal.search.rounds.leaders import Leaders
from shoal.trainable.compiling import compiler
from shoal.trainable.fitting import Block, Plan, fit
from shoal.trainable.fitting.kept import Kept
from shoal.trainable.fitting.selection import Selection, scores
from shoal.trainable.lanes import COMPLETE, DIVERGED, Fitted, Lanes
from shoal.trainable.problems import Folds
from shoal.trainable.programs import EAGER, KERNEL, Program

ROWS = 24
KINDS = [EAGER, pytest.param(KERNEL, marks=pytest.mark.skipif(compiler() is None, reason="no C++"))]


class Line:
    """A line through noisy points; its validation error falls and rises again as it overfits."""

    def __init__(self, degree: int = 5) -> None:
        self.degree = degree

    def _points(self) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(1)
        x = torch.linspace(-1, 1, ROWS)
        y = torch.sin(2 * x) + 0.3 * torch.randn(ROWS, generator=generator)
        return torch.stack([x**k for k in range(self.degree + 1)], dim=1), y

    def data(self) -> Any:
        x, y = self._points()
        return x[::2], y[::2]

    def validation(self) -> Any:
        x, y = self._points()
        return {"x": x[1::2], "y": y[1::2]}

    def initial(self, seed: int) -> Any:
        generator = torch.Generator().manual_seed(seed)
        return {"w": torch.randn(self.degree + 1, generator=generator)}

    def loss_and_gradient(self, params: Any, data: Any, l2: Any = 0.0) -> Any:
        x, y = data
        r = x @ params["w"] - y
        loss = (r * r).mean() + l2 * (params["w"] * params["w"]).sum()
        return loss, {"w": 2 * (x.T @ r) / len(y) + 2 * l2 * params["w"]}

    def metrics(self, params: Any, rows: Any, tolerance: Any = 0.3) -> Any:
        x, y = (rows["x"], rows["y"]) if isinstance(rows, dict) else rows
        r = x @ params["w"] - y
        return {"error": (r * r).mean(), "within": (r.abs() < tolerance).to(r.dtype).mean()}


class Double(Line):
    """The same in float64, where hardly two steps are equally good."""

    def data(self) -> Any:
        return tuple(part.double() for part in super().data())

    def validation(self) -> Any:
        return {name: part.double() for name, part in super().validation().items()}

    def initial(self, seed: int) -> Any:
        return {"w": super().initial(seed)["w"].double()}


def lanes_of(count: int, replicates: int, folds: bool) -> Lanes:
    """`count` lanes whose learning rates reach beyond the stable ones."""
    at = torch.arange(count)
    return Lanes(
        trial=at // replicates,
        replicate=at % replicates,
        seed=3 + at % replicates,
        values={
            "lr": torch.logspace(-2.5, 0.4, count, dtype=torch.float64),
            "l2": torch.logspace(-5, -1, count, dtype=torch.float64).flip(0),
        },
        shape={"optimizer": "sgd", **({"fold": 1} if folds else {})},
    )


def program_of(kind: str, block: int, fold: Any, problem: type = Line) -> Program:
    return Program(
        problem,
        optimizer="sgd",
        shape={},
        defaults={"tolerance": 0.25},
        block=block,
        device="cpu",
        kind=kind,
        unroll=1,
        fold=fold,
    )


def plainly(lanes: Lanes, lane: int, plan: Plan, fold: Any) -> dict[str, Any]:
    """One fit in float64 by a loop, step by step, as the settings' help describes it."""
    problem = Line()
    data = problem.data()
    rows = problem.validation()
    if fold is not None:
        data, rows = fold.split(data, None)
    data = tuple(each.double() for each in data)
    rows = tuple(each.double() for each in (rows.values() if isinstance(rows, dict) else rows))
    w = problem.initial(int(lanes.seed[lane]))["w"].double()
    lr, l2 = (float(lanes.values[name][lane]) for name in ("lr", "l2"))
    first = math.nan
    best, since, found, points = math.inf, 0, None, []
    for step in range(plan.steps):
        loss, gradient = problem.loss_and_gradient({"w": w}, data, l2)
        first = float(loss) if step == 0 else first
        before = float(loss)
        w = w - lr * gradient["w"]
        if (step + 1) % plan.report and step + 1 < plan.steps:
            continue
        after = float(problem.loss_and_gradient({"w": w}, data, l2)[0])
        metrics = {n: float(v) for n, v in problem.metrics({"w": w}, rows, 0.25).items()}
        points.append((step, before, metrics))
        if not before <= first * plan.diverge_factor:
            return {"state": DIVERGED, "steps": step + 1, "points": points}
        here = {"loss": after, **metrics, "step": step, "w": w}
        value = here[plan.objective]
        score = -value if plan.maximize else value
        better = found is None or score < best
        since = 0 if better else since + 1
        if better:
            best, found = score, here
        if step + 1 == plan.steps or (plan.patience and since >= plan.patience):
            if not after <= first * plan.diverge_factor:
                return {"state": DIVERGED, "steps": step + 1, "points": points}
            end = found if plan.best else here
            return {"state": COMPLETE, "steps": step + 1, "points": points, "end": end}
    raise AssertionError("the last step ends it")


PLANS = {
    "the last step": {},
    "the best step": {"best": True},
    "the best step by the loss": {"best": True, "objective": "loss"},
    "the largest metric": {"best": True, "objective": "within", "maximize": True},
    "patience": {"patience": 2},
    "patience and the best step": {"patience": 1, "best": True, "objective": "within"},
    "an interval that does not divide the steps": {"best": True, "steps": 57, "report": 10},
}


def plan_of(keep: int, other: dict[str, Any]) -> Plan:
    """A plan of ten reporting steps, but for what is other."""
    usual: dict[str, Any] = {
        "steps": 60,
        "report": 6,
        "diverge_factor": 50.0,
        "metrics": ("error", "within"),
        "objective": "error",
        "keep": keep,
    }
    return Plan(**{**usual, **other})


@pytest.mark.parametrize("folds", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", PLANS)
def test_it_is_as_a_plain_loop_says(case: str, kind: str, folds: bool) -> None:
    """State, steps, the step that counts, its numbers, the curves, and the kept parameters."""
    plan = plan_of(5, PLANS[case])
    ended, diverged = compare(plan, kind, 4, Folds(count=3, seed=7).of(1) if folds else None)
    assert diverged
    assert (ended > 0) == (plan.patience > 0)


@pytest.mark.parametrize("seed", range(12))
def test_it_is_as_a_plain_loop_says_whatever_the_plan(seed: int) -> None:
    """Plans, folds and blocks drawn at random."""
    chance = random.Random(seed)
    steps = chance.randint(1, 70)
    plan = plan_of(
        chance.choice([0, 1, 3, 50]),
        {
            "steps": steps,
            "report": chance.randint(1, steps),
            "objective": chance.choice(["loss", "error", "within"]),
            "maximize": chance.random() < 0.5,
            "best": chance.random() < 0.5,
            "patience": chance.choice([0, 0, 1, 2, 3]),
            "diverge_factor": chance.choice([1.5, 50.0]),
        },
    )
    count = chance.choice([1, 2, 3, 7])
    fold = Folds(count=count, seed=seed).of(chance.randrange(count)) if count > 1 else None
    compare(plan, EAGER, chance.choice([1, 3, 8, 40]), fold, Double)


def compare(plan: Plan, kind: str, block: int, fold: Any, problem: type = Line) -> tuple[int, int]:
    """Compare stacked fits with the plain loop; return how many ended early, and diverged."""
    lanes = lanes_of(23, 1, fold is not None)
    fitted = fit(program_of(kind, block, fold, problem), lanes, plan)
    assert fitted is not None
    ended = 0
    right_scores = {}
    for lane in range(len(lanes)):
        right = plainly(lanes, lane, plan, fold)
        mine = fitted.curve_lane == lane
        assert int(fitted.state[lane]) == right["state"], lane
        assert int(fitted.steps[lane]) == right["steps"], lane
        assert fitted.curve_step[mine].tolist() == [step for step, _, _ in right["points"]]
        assert fitted.curve_loss[mine].tolist() == pytest.approx(
            [loss for _, loss, _ in right["points"]], rel=1e-3
        )
        for column, name in enumerate(plan.metrics):
            assert fitted.curve_metrics[mine][:, column].tolist() == pytest.approx(
                [metrics[name] for _, _, metrics in right["points"]], rel=1e-3, abs=1e-6
            )
        if right["state"] == DIVERGED:
            assert fitted.loss[lane] == math.inf
            assert fitted.metrics[lane].isnan().all()
            assert fitted.best_step[lane] == -1
            continue
        ended += right["steps"] < plan.steps
        end = right["end"]
        assert int(fitted.best_step[lane]) == end["step"]
        assert float(fitted.loss[lane]) == pytest.approx(end["loss"], rel=1e-3)
        for column, name in enumerate(plan.metrics):
            assert float(fitted.metrics[lane][column]) == pytest.approx(end[name], rel=1e-3)
        right_scores[lane] = -end[plan.objective] if plan.maximize else end[plan.objective]
        if fitted.parameters is not None and lane in fitted.parameters.lane:
            at = int(torch.nonzero(fitted.parameters.lane == lane)[0])
            kept = fitted.parameters.named["w"][at].double()
            torch.testing.assert_close(kept, end["w"], rtol=1e-3, atol=1e-4)
    ours = {lane: float(value) for lane, value in enumerate(score_of(fitted, plan))}
    best = sorted(sorted(right_scores, key=lambda lane: (ours[lane], lane))[: plan.keep])
    assert (fitted.parameters.lane.tolist() if fitted.parameters is not None else []) == best
    return ended, int((fitted.state == DIVERGED).sum())


def score_of(fitted: Fitted, plan: Plan) -> torch.Tensor:
    """The objective of each fit, lower is better."""
    table = torch.cat([fitted.loss[:, None], fitted.metrics], dim=1)
    column = table[:, plan.columns.index(plan.objective)]
    return (-column if plan.maximize else column).nan_to_num(nan=math.inf)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", PLANS)
def test_other_blocks_and_interruptions_give_the_same_bits(case: str, kind: str) -> None:
    """Of a kernel, whatever the block; of both, from a snapshot at any pause."""
    plan = plan_of(4, PLANS[case])
    lanes = lanes_of(21, 1, False)
    whole = fit(program_of(kind, 6, None), lanes, plan)
    if kind == KERNEL:
        other = fit(program_of(kind, 32, None), lanes, plan)
        assert identical(whole, other)
    program = program_of(kind, 6, None)
    with torch.no_grad():
        block = Block(program, lanes, plan)
        block.prepare()
        asked = 0
        while block.occupied():
            asked += 1
            block.advance(lambda turn=asked: turn % 3 == 0)  # type: ignore[misc]  # a lambda
            other_block = Block(program, lanes, plan)
            other_block.restore(block.snapshot())
            block = other_block
        assert identical(whole, block.fitted())


def identical(one: Any, other: Any) -> bool:
    """Whether all numbers are the same, bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(identical(one[k], other[k]) for k in one)
    if isinstance(one, tuple):
        return bool(one == other)
    return identical(vars(one), vars(other))


@pytest.mark.parametrize("keep", [1, 3, 100])
def test_of_trials_with_replicates_the_best_means_are_kept(keep: int) -> None:
    """All fits of a trial; one of which a fit has diverged is none of the best."""
    plan = Plan(
        steps=40,
        report=8,
        diverge_factor=50.0,
        metrics=("error", "within"),
        objective="error",
        keep=keep,
        fits=3,
    )
    lanes = lanes_of(30, 3, False)
    fitted = fit(program_of(EAGER, 8, None), lanes, plan)
    assert fitted is not None
    assert fitted.parameters is not None
    means = score_of(fitted, plan).view(-1, 3).mean(dim=1)
    assert bool(means.isinf().any())
    best = torch.argsort(means, stable=True)[:keep]
    best = best[means[best] < math.inf]
    expected = sorted(int(trial) * 3 + i for trial in best for i in range(3))
    assert fitted.parameters.lane.tolist() == expected


def test_trials_that_are_not_all_in_a_pack_are_kept() -> None:
    """With folds a pack has one fit of each trial: it cannot know which are the best."""
    plan = Plan(
        steps=20,
        report=4,
        diverge_factor=50.0,
        metrics=("error", "within"),
        objective="error",
        keep=1,
        fits=2,
    )
    fitted = fit(program_of(EAGER, 8, None), lanes_of(12, 1, False), plan)
    assert fitted is not None
    assert fitted.parameters is not None
    complete = torch.nonzero(fitted.state == COMPLETE).flatten()
    assert fitted.parameters.lane.tolist() == complete.tolist()
    none = fit(program_of(EAGER, 8, None), lanes_of(12, 1, False), replace(plan, keep=0))
    assert none is not None
    assert none.parameters is None


def test_means_are_summed_as_those_that_rank_the_trials() -> None:
    """Of five scores torch's mean and numpy's differ in the last digit, and with it the best."""
    scores = torch.tensor([0.8, 0.2, 0.9, 0.1, 0.3, 0.2, 0.9, 0.5, 0.3, 0.4], dtype=torch.float64)
    plan = Plan(steps=1, report=1, diverge_factor=2.0, keep=1, fits=5)
    kept = Kept(lanes_of(10, 5, False), plan)
    kept.add(torch.arange(10), scores, (torch.zeros(10, 2),))
    kept.end()
    leaders = Leaders(1)
    leaders.note(numpy.arange(2), scores.view(2, 5).numpy().mean(axis=1))
    assert kept.lane.tolist() == [5 * int(leaders.trials[0]) + i for i in range(5)]


@pytest.mark.parametrize("maximize", [False, True])
def test_a_worker_scores_as_the_driver_does(maximize: bool) -> None:
    """What is not finite is worst in both directions: an overflow is no good model."""
    odd = [1.0, -2.5, 0.0, math.inf, -math.inf, math.nan, 1e300]
    plan = Plan(steps=1, report=1, diverge_factor=2.0, maximize=maximize)
    ours = scores(torch.tensor(odd, dtype=torch.float64)[:, None], plan)
    assert ours.tolist() == Objective(maximize=maximize).scores(numpy.array(odd)).tolist()
    assert ours.isinf().tolist() == [not math.isfinite(value) for value in odd]


PLAN = Plan(steps=9, report=1, diverge_factor=2.0, best=True, keep=2, patience=5)


def selection_of(slots: int) -> Selection:
    """A selection after two reporting steps, of which the second was better in odd slots alone."""
    selection = Selection(slots, PLAN)
    number = torch.arange(slots, dtype=torch.float64)
    for step in range(2):
        score = 10.0 - step * (number % 2) - number
        better = selection.better(score)
        params = ((100 * step + number)[:, None].expand(-1, 3),)
        selection.take(better, score, torch.full((slots,), step), score[:, None], params)
    return selection


def test_slots_that_are_dropped_take_their_numbers_with_them() -> None:
    """What is left of the others is theirs, whichever they are."""
    selection, kept = selection_of(6), torch.tensor([1, 4, 5])
    selection.shrink(kept)
    assert selection.params[0][:, 0].tolist() == [101.0, 4.0, 105.0]
    assert selection.score.tolist() == [8.0, 6.0, 4.0]
    assert selection.values.tolist() == [[8.0], [6.0], [4.0]]
    assert selection.step.tolist() == [1, 0, 1]
    assert selection.since.tolist() == [0, 1, 0]


def test_a_slot_that_is_forgotten_is_as_before_its_first_reporting_step() -> None:
    """And the others are as they were."""
    selection, before, new = selection_of(6), selection_of(6), Selection(6, PLAN)
    selection.forget(torch.tensor([0, 3]))
    for name in ("score", "step", "since", "values"):
        found, old, fresh = (getattr(each, name) for each in (selection, before, new))
        torch.testing.assert_close(found[[0, 3]], fresh[[0, 3]], rtol=0, atol=0, equal_nan=True)
        torch.testing.assert_close(found[[1, 2, 4, 5]], old[[1, 2, 4, 5]], rtol=0, atol=0)
