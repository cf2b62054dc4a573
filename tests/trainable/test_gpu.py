"""The lane loop on a GPU, against the closed form in float64 and against itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from shoal.trainable.fitting import Plan, fit
from shoal.trainable.fitting.checkpoint import CheckpointKeeper, Saving, key
from shoal.trainable.lanes import STATES, Fitted, Lanes
from shoal.trainable.problems.finding import find
from shoal.trainable.programs.program import Program

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

PLAN = Plan(steps=2000, report=100, diverge_factor=1000.0)
N = 300


def lanes() -> Lanes:
    """Rates over the whole default space, from four seeds."""
    at = torch.arange(N)
    rates = torch.logspace(-8, -4, N, dtype=torch.float64)
    return Lanes(trial=at, replicate=0 * at, seed=at % 4, values={"lr": rates}, shape={})


def program(block: int, compiled: bool) -> Program:
    """The course's fit."""
    return Program(
        find("cubic-sine").load(),
        optimizer="sgd",
        shape={},
        defaults={},
        block=block,
        device="cuda",
        compiled=compiled,
        unroll=10 if compiled else 1,
    )


def fitted(block: int, compiled: bool) -> Fitted:
    """All lanes in one go; it must have run as it was asked to."""
    ready = program(block, compiled)
    found = fit(ready, lanes(), PLAN)
    assert ready.told()[0] == []
    assert found is not None
    return found


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("block", [32, 512])
def test_every_lane_ends_as_the_closed_form_says(block: int, compiled: bool, oracle: Any) -> None:
    """Refilled slots and padding; what diverges does so where theory says."""
    mine, found = lanes(), fitted(block, compiled)
    for i in range(N):
        rate = float(mine.values["lr"][i])
        if abs(rate * oracle.eigenvalues[-1] - 2) < 2e-2:
            continue  # too near the edge for float32
        stable = rate * oracle.eigenvalues[-1] < 2
        assert STATES[int(found.state[i])] == ("complete" if stable else "diverged")
        if stable:
            expected = oracle.loss(rate, i % 4, PLAN.steps)
            assert float(found.loss[i]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("compiled", [False, True])
def test_stopped_and_gone_on_with_it_gives_the_same_bits(compiled: bool, tmp_path: Path) -> None:
    """A checkpoint goes through the CPU's memory and comes back."""
    whole = fitted(64, compiled)
    name = key(lanes(), program="test", plan=PLAN, block=64, defaults={})
    found, resume = None, None
    for attempt in range(100):
        saving = Saving(
            folder=str(tmp_path),
            key=name,
            attempt=attempt,
            resume=resume,
            period_seconds=1e9,
        )
        calls = iter([False] * 500)
        keeper = CheckpointKeeper(
            saving, lambda calls=calls: next(calls, True), device="cuda", began=0.0
        )
        found = fit(program(64, compiled), lanes(), PLAN, keeper)
        if found is not None:
            break
        resume = saving.file.name
    assert attempt > 0
    assert found is not None
    assert torch.equal(found.loss, whole.loss)
    assert torch.equal(found.curve_loss, whole.curve_loss)
