"""Fits whose updates take batches or noise, stacked, against plain loops of one fit each."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest
import torch

from shoal.trainable.feeding.batches import Batches
from shoal.trainable.fitting import Block, Plan, fit
from shoal.trainable.lanes import COMPLETE, DIVERGED, Fitted, Lanes
from shoal.trainable.problems import Fold, Folds
from shoal.trainable.programs import EAGER, SINGLE, Program

ROWS = 26


class Line:
    """A line through noisy points, in float64; with every kind of thing that an update takes."""

    batch: Any = 5
    drop_last = False

    def data(self) -> Any:
        generator = torch.Generator().manual_seed(1)
        x = torch.randn(ROWS, 3, generator=generator, dtype=torch.float64)
        y = x.sum(1) + torch.randn(ROWS, generator=generator, dtype=torch.float64)
        return x, y

    def initial(self, seed: int) -> Any:
        generator = torch.Generator().manual_seed(seed)
        return {"w": torch.randn(3, generator=generator, dtype=torch.float64)}

    def noise(self, seed: int, step: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(1000 * seed + step)
        return 0.1 * torch.randn(3, generator=generator, dtype=torch.float64)

    def loss(
        self, params: Any, data: Any, l2: Any = 0.0, *, step: Any = None, noise: Any = None
    ) -> Any:
        x, y = data
        x = x if noise is None else x + noise
        r = x @ params["w"] - y
        return (r * r).mean() + l2 * 0.9**step * (params["w"] ** 2).sum()

    def metrics(self, params: Any, rows: Any) -> Any:
        x, y = rows
        return {"error": (x @ params["w"] - y).abs().mean()}


class ByHand(Line):
    """The same with the gradient by hand."""

    def loss_and_gradient(
        self, params: Any, data: Any, l2: Any = 0.0, *, step: Any = None, noise: Any = None
    ) -> Any:
        x, y = data
        x = x if noise is None else x + noise
        w, r = params["w"], x @ params["w"] - y
        penalty = l2 * 0.9**step
        loss = (r * r).mean() + penalty * (w * w).sum()
        return loss, {"w": 2 * (r @ x) / len(y) + 2 * penalty * w}


def lanes_of(count: int, replicates: int) -> Lanes:
    """`count` lanes whose learning rates reach beyond the stable ones."""
    at = torch.arange(count)
    return Lanes(
        trial=at // replicates,
        replicate=at % replicates,
        seed=3 + at % replicates,
        values={
            "lr": torch.logspace(-2.5, 0.5, count, dtype=torch.float64),
            "l2": torch.logspace(-4, -1, count, dtype=torch.float64).flip(0),
        },
        shape={"optimizer": "sgd"},
    )


def program_of(problem: type, block: int, kind: str = EAGER, fold: Fold | None = None) -> Program:
    return Program(
        problem,
        optimizer="sgd",
        shape={},
        defaults={},
        block=block,
        device="cpu",
        kind=kind,
        fold=fold,
    )


def plainly(problem: Any, lanes: Lanes, lane: int, plan: Plan, fold: Fold | None) -> dict[str, Any]:
    """One fit by a loop, step by step, as the documents describe it."""
    x, y = problem.data()
    judged = (x, y)
    if fold is not None:
        (x, y), judged = fold.split((x, y), None)
    seed = int(lanes.seed[lane])
    lr, l2 = (float(lanes.values[name][lane]) for name in ("lr", "l2"))
    w = problem.initial(seed)["w"]
    index = 0 if fold is None else fold.index
    batches = Batches(rows=len(x), size=problem.batch, drop_last=problem.drop_last, fold=index)
    line = Line()

    def whole(step: int) -> float:
        return float(line.loss({"w": w}, (x, y), l2, step=step))

    limit = whole(0) * plan.diverge_factor
    curve: list[tuple[int, float, float]] = []
    best: tuple[float, int, float, float] | None = None
    since, state, step = 0, COMPLETE, 0
    while True:
        rows = batches.at(seed, step)
        leaf = w.clone().requires_grad_()
        noise = problem.noise(seed, step)
        loss = line.loss({"w": leaf}, (x[rows], y[rows]), l2, step=step, noise=noise)
        (gradient,) = torch.autograd.grad(loss, leaf)
        w, step, loss = w - lr * gradient, step + 1, loss.detach()
        if step % plan.report and step != plan.steps:
            continue
        error = float(line.metrics({"w": w}, judged)["error"])
        after = whole(step)
        curve.append((step - 1, float(loss), error))
        better = best is None or error < best[0]
        if better:
            best, since = (error, step - 1, after, error), 0
        else:
            since += 1
        if not float(loss) <= limit:
            state = DIVERGED
            break
        if step == plan.steps or (plan.patience and since >= plan.patience):
            if not after <= limit:
                state = DIVERGED
            break
    counts = best if plan.best else (error, step - 1, after, error)
    assert counts is not None
    return {"state": state, "steps": step, "curve": curve, "counts": counts}


def alike(found: Fitted, lanes: Lanes, plan: Plan, problem: Any, fold: Fold | None) -> None:
    for lane in range(len(lanes)):
        expected = plainly(problem, lanes, lane, plan, fold)
        assert int(found.state[lane]) == expected["state"], lane
        assert int(found.steps[lane]) == expected["steps"], lane
        here = found.curve_lane == lane
        assert found.curve_step[here].tolist() == [step for step, _, _ in expected["curve"]]
        for column, at in ((found.curve_loss[here], 1), (found.curve_metrics[here, 0], 2)):
            right = [row[at] for row in expected["curve"]]
            finite = [value if math.isfinite(value) else math.inf for value in right]
            assert column.tolist() == pytest.approx(finite, rel=1e-9)
        if expected["state"] == COMPLETE:
            _, step, loss, error = expected["counts"]
            assert int(found.best_step[lane]) == step
            assert float(found.loss[lane]) == pytest.approx(loss, rel=1e-9)
            assert float(found.metrics[lane, 0]) == pytest.approx(error, rel=1e-9)


PLAN = Plan(
    steps=23, report=4, diverge_factor=50.0, metrics=("error",), objective="error", keep=3, fits=2
)


@pytest.mark.parametrize("problem", [Line, ByHand])
@pytest.mark.parametrize("block", [1, 3, 16])
@pytest.mark.parametrize(
    "plan",
    [PLAN, replace(PLAN, best=True), replace(PLAN, best=True, patience=2), replace(PLAN, report=7)],
    ids=["last", "best", "patience", "seven"],
)
def test_stacked_fits_are_plain_loops(problem: type, block: int, plan: Plan) -> None:
    """Losses, metrics, curves, states and the step that counts; a third of them diverge."""
    lanes = lanes_of(14, 2)
    found = fit(program_of(problem, block), lanes, plan)
    assert found is not None
    assert 3 <= int((found.state == DIVERGED).sum()) <= 8
    alike(found, lanes, plan, problem(), None)


def test_random_plans_are_plain_loops() -> None:
    """Steps, reports, batches, folds, replicates and blocks as they come."""
    draw = random.Random(5)
    for _ in range(25):
        problem: Any = type(
            "Made",
            (draw.choice([Line, ByHand]),),
            {"batch": draw.choice([1, 2, 7, 13]), "drop_last": draw.random() < 0.5},
        )
        count = draw.randint(1, 9)
        lanes = lanes_of(count, draw.choice([1, 2, 3]))
        fold = Folds(count=2, seed=0).of(draw.randint(0, 1)) if draw.random() < 0.5 else None
        steps = draw.randint(1, 30)
        plan = replace(
            PLAN,
            steps=steps,
            report=draw.randint(1, steps),
            best=draw.random() < 0.5,
            patience=draw.choice([0, 1, 3]),
        )
        kind = draw.choice([EAGER, EAGER, SINGLE])
        found = fit(program_of(problem, draw.choice([1, 2, 5, 16]), kind, fold), lanes, plan)
        assert found is not None
        alike(found, lanes, plan, problem(), fold)


def bits(found: Fitted) -> list[Any]:
    parameters = found.parameters
    assert parameters is not None
    held = [found.loss, found.metrics, found.state, found.steps, found.best_step]
    held += [found.curve_lane, found.curve_step, found.curve_loss, found.curve_metrics]
    held += [parameters.lane, *parameters.named.values()]
    return [tensor.clone().view(torch.uint8).tolist() for tensor in held]


@pytest.mark.parametrize("kind", [EAGER, SINGLE])
def test_a_snapshot_at_any_update_goes_on_with_the_same_bits(kind: str) -> None:
    """Also between the groups of two replicates, and after fits have diverged."""
    lanes, plan = lanes_of(10, 2), replace(PLAN, best=True)
    program = program_of(Line, 3, kind)
    whole = fit(program, lanes, plan)
    assert whole is not None
    pauses = 0
    with torch.no_grad():
        block = Block(program, lanes, plan)
        block.prepare()
        while block.occupied():
            block.advance(lambda: True)
            kept = block.snapshot()
            block = Block(program_of(Line, 3, kind), lanes, plan)
            block.prepare()
            block.restore(kept)
            pauses += 1
        found = block.fitted()
    assert pauses > 40
    assert bits(found) == bits(whole)


def test_a_block_of_another_size_has_the_same_numbers() -> None:
    """To rounding: what torch makes of a fit may depend on how many there are."""
    lanes = lanes_of(14, 2)
    one = fit(program_of(Line, 1), lanes, PLAN)
    assert one is not None
    for block in (2, 5, 16):
        other = fit(program_of(Line, block), lanes, PLAN)
        assert other is not None
        torch.testing.assert_close(other.loss, one.loss, rtol=1e-12, atol=0)


def test_a_batch_is_fetched_once_for_all_fits_of_a_replicate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However trials and replicates lie among each other."""
    program, asked = program_of(Line, 16), list[tuple[int, int]]()
    fetch = program.feed.at

    def at(seed: int, step: int) -> list[torch.Tensor]:
        asked.append((seed, step))
        return fetch(seed, step)

    monkeypatch.setattr(program.feed, "at", at)
    plan = replace(PLAN, diverge_factor=math.inf, steps=6, report=6)
    assert fit(program, lanes_of(14, 2), plan) is not None
    assert asked == [(seed, step) for seed in (3, 4) for step in range(6)]


def test_epochs_are_counted_in_batches() -> None:
    """Of the rows that are fitted to; and so is what is between two reporting steps."""
    lanes = lanes_of(4, 1)
    plan = replace(PLAN, steps=3, report=1, epochs=True, diverge_factor=math.inf)
    found = fit(program_of(Line, 4), lanes, plan)
    assert found is not None
    assert found.steps.tolist() == [18] * 4  # 26 rows in batches of 5
    assert found.curve_step[found.curve_lane == 0].tolist() == [5, 11, 17]
    again = fit(program_of(Line, 4), lanes, replace(plan, steps=18, report=6, epochs=False))
    assert again is not None
    assert bits(found) == bits(again)
