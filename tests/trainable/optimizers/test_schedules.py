"""Schedules: the learning rates of torch.optim.lr_scheduler."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import pytest
import torch

from shoal.trainable.optimizers.composed import composed, hyperparameters_of
from shoal.trainable.optimizers.methods.optimizer import Function
from shoal.trainable.optimizers.schedules import SCHEDULES

T = 100
LR = 0.3

Twin = Callable[[torch.optim.Optimizer, float], torch.optim.lr_scheduler.LRScheduler]

of_torch = torch.optim.lr_scheduler
TWINS: dict[str, list[tuple[dict[str, float], Twin]]] = {
    "linear": [
        ({"lr_final": f}, lambda o, f: of_torch.LinearLR(o, 1.0, f, total_iters=T))
        for f in (0.0, 0.25)
    ],
    "cosine": [
        ({"lr_final": f}, lambda o, f: of_torch.CosineAnnealingLR(o, T, eta_min=LR * f))
        for f in (0.0, 0.25)
    ],
    "step": [
        ({"drop_every": e, "decay": 0.3}, lambda o, e: of_torch.StepLR(o, round(e * T), 0.3))
        for e in (0.07, 0.1, 0.29, 1 / 3, 0.5, 1.0)
    ],
    "exponential": [
        ({"lr_final": f}, lambda o, f: of_torch.ExponentialLR(o, f ** (1 / T))) for f in (0.01, 0.5)
    ],
    "one-cycle": [
        (
            {"peak": p, "lr_start": 0.1, "lr_final": 0.001},
            lambda o, p: of_torch.OneCycleLR(
                o,
                max_lr=LR,
                total_steps=T,
                pct_start=p,
                div_factor=10,
                final_div_factor=100,
                cycle_momentum=False,
            ),
        )
        for p in (0.02, 0.3, 0.555, 1.0)
    ],
}
CASES = [(name, given, twin) for name, cases in TWINS.items() for given, twin in cases]


def rates(
    schedule: str,
    given: dict[str, float],
    steps: int,
    dtype: torch.dtype,
    updates: int | None = None,
) -> list[float]:
    """The learning rate of each update, or the first `updates` of them, read from what gradient
    descent subtracts."""
    every = {n: v for n, v in hyperparameters_of("sgd", schedule).items() if v is not None}
    values = {n: torch.tensor(v, dtype=dtype) for n, v in {**every, "lr": LR, **given}.items()}
    one = composed("sgd", schedule, given=given, steps=steps)
    ones = Function(
        loss_and_gradient=lambda at: (at[0], (torch.ones_like(at[0]),)),
        residuals=lambda at: at[0],
    )
    params = (torch.zeros((), dtype=dtype),)
    state, found = one.init(params), []
    for t in range(updates or steps):
        _, moved, state = one.step(ones, params, state, values, torch.tensor(float(t), dtype=dtype))
        found.append(-float(moved[0]))
    return found


@pytest.mark.parametrize(("name", "given", "twin"), CASES)
def test_a_schedule_has_the_learning_rates_of_its_twin(
    name: str, given: dict[str, float], twin: Twin
) -> None:
    """Of each of 100 updates, to 1e-12 of lr in float64, and to rounding in float32."""
    optimizer = torch.optim.SGD([torch.zeros((), requires_grad=True)], lr=LR)
    scheduler = twin(optimizer, next(iter(given.values())))
    truth = []
    for _ in range(T):
        truth.append(float(optimizer.param_groups[0]["lr"]))
        with warnings.catch_warnings():  # of no gradient, and of the last step of one cycle
            warnings.simplefilter("ignore")
            optimizer.step()
            if len(truth) < T:
                scheduler.step()
    found = rates(name, given, T, torch.float64)
    assert found == pytest.approx(truth, rel=0, abs=1e-12 * LR)
    single = rates(name, given, T, torch.float32)
    assert single == pytest.approx(truth, rel=0, abs=2e-6 * LR)


def test_every_schedule_but_the_constant_one_has_a_twin() -> None:
    """And each is finite, positive and at most lr, for fits of any length."""
    assert {*TWINS, "constant"} == set(SCHEDULES)
    for name in SCHEDULES:
        for steps in (1, 2, 3, 7):
            found = rates(name, {}, steps, torch.float64)
            assert all(0 < rate <= LR * (1 + 1e-12) for rate in found), (name, steps, found)


@pytest.mark.parametrize("given", [{"peak": 0.0}, {"peak": 1.0}, {"drop_every": 0.0}])
def test_the_ends_of_a_range_are_finite(given: dict[str, float]) -> None:
    """A cycle that has no first part, or no second; drops at each update."""
    name = "one-cycle" if "peak" in given else "step"
    found = rates(name, given, 20, torch.float32)
    assert all(math.isfinite(rate) and 0 <= rate <= LR * 1.00001 for rate in found)
    if given == {"peak": 0.0}:
        assert found[0] == pytest.approx(LR)
        assert found == sorted(found, reverse=True)
    if name == "step":
        assert found[:3] == pytest.approx([LR, LR * 0.1, LR * 0.01])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_whole_numbers_of_updates_are_not_missed_by_rounding(dtype: torch.dtype) -> None:
    """A drop comes at each multiple of its period, of any number of updates."""
    for steps in (90, 1000, 5000):
        for every in (0.001, 0.07, 0.1, 0.3, 0.7):
            size = max(1, round(every * steps))
            given = {"drop_every": every, "decay": 0.5}
            found = rates("step", given, steps, dtype, updates=min(steps, 20 * size))
            truth = [LR * 0.5 ** (t // size) for t in range(len(found))]
            assert found == pytest.approx(truth, rel=1e-5)


@pytest.mark.parametrize("steps", [10, 100])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.37, 1.0])
def test_warm_up_grows_linearly_and_multiplies_the_schedule(steps: int, warmup: float) -> None:
    """To lr at the last of its updates; a fraction of 0 is none, also for a fit among others."""
    length = warmup * steps
    plain = rates("cosine", {}, steps, torch.float64)
    found = rates("cosine", {"warmup": warmup}, steps, torch.float64)
    truth = [rate * (min(1.0, (t + 1) / length) if length else 1.0) for t, rate in enumerate(plain)]
    assert found == pytest.approx(truth, rel=1e-12)
    linear = of_torch.LinearLR(
        torch.optim.SGD([torch.zeros((), requires_grad=True)], lr=LR), 0.1, 1.0, total_iters=9
    )
    if (steps, warmup) == (100, 0.1):  # torch counts from the first rate, which is lr / 10
        assert rates("constant", {"warmup": 0.1}, 100, torch.float64)[:2] == pytest.approx(
            [linear.get_last_lr()[0], 2 * linear.get_last_lr()[0]]
        )
