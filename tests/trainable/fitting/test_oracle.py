"""The default problem against its closed form (conftest.py)."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from shoal.trainable.fitting import Plan, fit
from shoal.trainable.lanes import STATES, Lanes
from shoal.trainable.problems.finding import find
from shoal.trainable.programs.program import Program

STEPS = 2000


def lanes(lr: torch.Tensor, seed: torch.Tensor) -> Lanes:
    """Lanes of the course's optimizer with these learning rates and seeds."""
    n = torch.arange(len(lr))
    return Lanes(trial=n, replicate=0 * n, seed=seed, values={"lr": lr}, shape={"optimizer": "sgd"})


def program(block: int) -> Program:
    """The course's fit in blocks of this size."""
    cls = find("cubic-sine").load()
    return Program(cls, optimizer="sgd", shape={}, defaults={}, block=block, device="cpu")


def test_the_closed_form_has_the_known_constants(oracle: Any) -> None:
    """Eigenvalues, optimum and floor, as computed elsewhere from the normal equations."""
    known = [1727.50065, 2065.97519, 80355.75667, 562121.93637]
    assert oracle.eigenvalues == pytest.approx(known, rel=1e-6)
    assert oracle.optimum == pytest.approx([0, 0.856740843, 0, -0.093330389], abs=1e-7)
    assert oracle.floor == pytest.approx(8.817165410, rel=1e-7)


def test_every_lane_ends_as_the_closed_form_says(oracle: Any) -> None:
    """192 learning rates over four decades and three seeds: each complete lane within 1e-3, each
    learning rate above 2/λmax diverged (the last 1 % below it may be either, and the first 0.1 %
    above it, where the growth of 2,000 steps is below the factor that counts)."""
    lr = torch.logspace(-8, -4, 192, dtype=torch.float64)
    limit = 2 / oracle.eigenvalues[-1]
    edge = torch.tensor([0.98, 0.985, 1.002, 1.01], dtype=torch.float64) * limit
    lr = torch.cat([lr, edge])
    seed = torch.arange(len(lr)) % 3
    plan = Plan(steps=STEPS, report=100, diverge_factor=1000.0)
    fitted = fit(program(64), lanes(lr, seed), plan)
    assert fitted is not None
    complete = 0
    for i, rate in enumerate(lr.tolist()):
        state = STATES[int(fitted.state[i])]
        if rate > 1.001 * limit:
            assert state == "diverged", rate
            assert fitted.loss[i] == float("inf")
            assert fitted.steps[i] < STEPS or rate < 1.01 * limit
        elif rate < 0.99 * limit:
            assert state == "complete", rate
            expected = oracle.loss(rate, int(seed[i]), STEPS)
            assert float(fitted.loss[i]) == pytest.approx(expected, rel=1e-3)
            assert fitted.steps[i] == STEPS
            complete += 1
    assert 110 < complete < 140


@pytest.mark.parametrize(
    ("seed", "loss"), [(0, 12.286677), (1, 9.294828), (42, 9.045998), (1234, 8.922332)]
)
def test_a_lane_among_others_has_the_loss_that_the_course_prints(seed: int, loss: float) -> None:
    """The loss at step 1999 with lr 1e-6, to 1e-5, in a block with lanes that do otherwise."""
    rates = torch.tensor([1e-8, 1e-6, 1e-4, 3e-6, 1e-7], dtype=torch.float64)
    plan = Plan(steps=STEPS, report=100, diverge_factor=1000.0)
    fitted = fit(program(4), lanes(rates, torch.tensor([5, seed, 6, 7, 8])), plan)
    assert fitted is not None
    mine = fitted.curve_lane == 1
    assert fitted.curve_step[mine].tolist() == list(range(99, STEPS, 100))
    assert float(fitted.curve_loss[mine][-1]) == pytest.approx(loss, rel=1e-5)
