"""What programs make of optimizers: plain ones are what they were, and what is given counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from shoal.trainable.fitting.fit import fit
from shoal.trainable.fitting.plan import Plan
from shoal.trainable.lanes import Lanes
from shoal.trainable.optimizers.composed import hyperparameters_of
from shoal.trainable.optimizers.modifiers import MODIFIERS
from shoal.trainable.optimizers.registry import OPTIMIZERS
from shoal.trainable.optimizers.schedules import SCHEDULES
from shoal.trainable.problems.finding import find
from shoal.trainable.programs.program import Program
from shoal.trainable.programs.tracing import traced

Tensors = tuple[torch.Tensor, ...]
Plain = Callable[[Tensors, Tensors, Tensors, dict[str, torch.Tensor]], tuple[Tensors, Tensors]]


def lanes(fits: int = 4, **more: list[float]) -> Lanes:
    """Fits of several learning rates, of which none diverges at once."""
    at = torch.arange(fits)
    values = {"lr": torch.logspace(-7, -5.7, fits, dtype=torch.float64)}
    values |= {name: torch.tensor(v, dtype=torch.float64) for name, v in more.items()}
    return Lanes(trial=at, replicate=0 * at, seed=at, values=values, shape={})


def program(optimizer: str, **how: Any) -> Program:
    """The course's problem."""
    how = {"shape": {}, "defaults": {}, "block": 4, **how}
    return Program(find("cubic-sine").load(), optimizer=optimizer, device="cpu", **how)


def sgd(p: Tensors, g: Tensors, s: Tensors, h: dict[str, torch.Tensor]) -> tuple[Tensors, Tensors]:
    """Gradient descent as it was written before optimizers were composed."""
    return tuple(p - h["lr"] * g for p, g in zip(p, g, strict=True)), s


def momentum(
    p: Tensors, g: Tensors, s: Tensors, h: dict[str, torch.Tensor]
) -> tuple[Tensors, Tensors]:
    """With momentum, likewise."""
    velocity = tuple(h["momentum"] * v + g for v, g in zip(s, g, strict=True))
    return tuple(p - h["lr"] * v for p, v in zip(p, velocity, strict=True)), velocity


def adam(p: Tensors, g: Tensors, s: Tensors, h: dict[str, torch.Tensor]) -> tuple[Tensors, Tensors]:
    """Adam, which kept the clock itself, likewise."""
    n, t = len(p), s[0] + 1
    beta1, beta2 = h["beta1"], h["beta2"]
    m = tuple(beta1 * m + (1 - beta1) * g for m, g in zip(s[1 : n + 1], g, strict=True))
    v = tuple(beta2 * v + (1 - beta2) * g * g for v, g in zip(s[n + 1 :], g, strict=True))
    scale1, scale2 = 1 - beta1**t, 1 - beta2**t
    moved = tuple(
        p - h["lr"] * (m / scale1) / (torch.sqrt(v / scale2) + h["eps"])
        for p, m, v in zip(p, m, v, strict=True)
    )
    return moved, (t, *m, *v)


@pytest.mark.parametrize(
    ("name", "plain", "names"),
    [
        ("sgd", sgd, ["lr"]),
        ("momentum", momentum, ["lr", "momentum"]),
        ("adam", adam, ["lr", "beta1", "beta2", "eps"]),
    ],
)
def test_plain_optimizers_have_the_traces_that_they_had(
    name: str, plain: Plain, names: list[str]
) -> None:
    """Operation by operation, so that kernels and numbers are what they have been."""
    made, which = program(name), torch.arange(3)
    params, state = made.initial(lanes(), which)
    values = made.values(lanes(), which)
    p, s = len(params), len(state)
    problem = find("cubic-sine").load()()

    def update(params: Tensors, state: Tensors, values: Tensors, data: Any) -> Any:
        loss, gradient = problem.loss_and_gradient(dict(zip("abcd", params, strict=True)), data)
        gradient = tuple(gradient.values())
        own = dict(zip(names, values, strict=True))
        return (loss, *plain(params, gradient, state, own))

    def step(*flat: torch.Tensor) -> Tensors:
        rows: Any = flat[p + s + len(names) :]
        rows = rows[0] if isinstance(problem.data(), torch.Tensor) else rows
        stacked = torch.vmap(update, in_dims=(0, 0, 0, None))
        loss, moved, after = stacked(
            flat[:p], flat[p : p + s], flat[p + s : p + s + len(names)], rows
        )
        return (loss, *moved, *after)

    given = [*params, *state, *values]
    truth = traced(step, [*given, *made.data])
    found, _ = made.traced(made.flat_step, given)
    assert found.code == truth.code


def test_what_is_off_by_default_counts_once_it_is_given_or_set() -> None:
    """By fits, or for all of them; else it is not there."""
    assert program("sgd").optimizer.hyperparameters == ("lr",)
    assert program("sgd", given=["lr", "momentum"]).optimizer.hyperparameters == ("lr", "momentum")
    set_for_all = program("sgd", defaults={"momentum": 0.9, "clip_norm": 0.0})
    assert set_for_all.optimizer.hyperparameters == ("lr", "momentum")
    assert program("adam", given=["momentum"]).optimizer.hyperparameters == (
        "lr",
        "beta1",
        "beta2",
        "eps",
    )


def test_what_fits_bring_is_never_left_out_without_a_word() -> None:
    """A program that was made without it refuses them, unless it is off for all."""
    made, which = program("sgd"), torch.arange(2)
    made.initial(lanes(), which)
    made.values(lanes(momentum=[0.0] * 4), which)
    with pytest.raises(ValueError, match="what the program was made without: name='momentum'"):
        made.values(lanes(momentum=[0.0, 0.0, 0.0, 0.9]), which)


def test_a_default_that_is_absent_is_the_optimizers_own() -> None:
    """One name may have another default in another optimizer."""
    for optimizer, beta2 in (("adam", 0.999), ("lion", 0.99)):
        made = program(optimizer)
        params, _ = made.initial(lanes(), torch.arange(4))
        values = made.values(lanes(), torch.arange(4))
        named = dict(zip(made.optimizer.hyperparameters, values, strict=True))
        assert named["beta2"].tolist() == pytest.approx([beta2] * 4)
        assert params[0].dtype == named["beta2"].dtype


PLAN = Plan(steps=40, report=10, diverge_factor=1000.0, keep=4, fits=4)


def test_the_average_is_what_fits_are_judged_by_and_what_is_kept() -> None:
    """The loss in the results is that of the kept parameters, which lag behind the last ones; the
    curve is of the parameters that move."""
    given = ["lr", "ema"]
    mine = lanes(ema=[0.0, 0.5, 0.9, 0.99])
    averaged = fit(program("sgd", given=given, steps=40), mine, PLAN)
    plain = fit(program("sgd", steps=40), lanes(), PLAN)
    assert averaged is not None
    assert plain is not None
    assert averaged.parameters is not None
    assert plain.parameters is not None
    assert averaged.loss[0] == plain.loss[0]
    assert bool((averaged.loss[1:] > plain.loss[1:]).all())
    torch.testing.assert_close(averaged.curve_loss, plain.curve_loss, rtol=0, atol=0)
    made = program("sgd", steps=40)
    made.initial(lanes(), torch.arange(4))
    kept = tuple(averaged.parameters.named.values())
    order = averaged.parameters.lane
    with torch.no_grad():
        values = made.values(lanes(), order)
        (losses,) = made.flat_loss(*kept, *values, *made.data)
    torch.testing.assert_close(losses.double(), averaged.loss[order], rtol=1e-6, atol=0)


def test_a_schedule_ends_with_the_fit() -> None:
    """Half the updates of a fit of 80 have moved further than a fit of 40."""
    half = fit(program("sgd", shape={"schedule": "linear"}, steps=80), lanes(), PLAN)
    whole = fit(program("sgd", shape={"schedule": "linear"}, steps=40), lanes(), PLAN)
    assert half is not None
    assert whole is not None
    assert bool((half.loss < whole.loss).all())


def test_names_are_told_apart() -> None:
    """No hyperparameter of an optimizer is one of a schedule or of what composes with both, and all
    have plain names."""
    for name, optimizer in OPTIMIZERS.items():
        for schedule in SCHEDULES if not optimizer.needs_residuals else ["constant"]:
            every = hyperparameters_of(name, schedule)
            assert all(key.isidentifier() for key in every)
            assert set(optimizer.hyperparameters) <= set(every)
    for schedule_of in SCHEDULES.values():
        for optimizer in OPTIMIZERS.values():
            assert not schedule_of.hyperparameters.keys() & optimizer.hyperparameters.keys()
        assert not schedule_of.hyperparameters.keys() & MODIFIERS.keys()
