"""Clipping and the average of the parameters: those of torch.nn.utils and torch.optim.swa_utils."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from shoal.trainable.optimizers.composed import composed, hyperparameters_of
from shoal.trainable.optimizers.methods.optimizer import Function
from shoal.trainable.optimizers.modifiers import MODIFIERS
from shoal.trainable.problems.problem import Leaves

STEPS, LR = 100, 0.05


def start() -> Leaves:
    """Parameters of several shapes."""
    generator = torch.Generator().manual_seed(3)
    return tuple(
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((3, 2), (4,), ())
    )


def loss(params: Leaves) -> torch.Tensor:
    """A sum of quartic wells, coupled: its gradient has elements of all sizes."""
    w, b, c = params
    return ((w * w - 1) ** 2).sum() + ((b - c) ** 4).sum() + (c * w.sum()) ** 2


def loss_and_gradient(params: Leaves) -> tuple[torch.Tensor, Leaves]:
    """By autograd."""
    gradient, value = torch.func.grad_and_value(loss)(params)
    return value, gradient


FUNCTION = Function(loss_and_gradient=loss_and_gradient, residuals=lambda params: params[0])


def values_of(options: Mapping[str, float]) -> dict[str, torch.Tensor]:
    """All hyperparameters of gradient descent."""
    defaults = {n: v for n, v in hyperparameters_of("sgd").items() if v is not None}
    values = {**defaults, "lr": LR, **options}
    return {n: torch.tensor(v, dtype=torch.float64) for n, v in values.items()}


def fitted(options: Mapping[str, float], steps: int = STEPS) -> tuple[Leaves, Leaves]:
    """The parameters after some updates of gradient descent, and those that are evaluated."""
    one = composed("sgd", given=options, steps=steps)
    params, state = start(), one.init(start())
    for t in range(steps):
        clock = torch.tensor(float(t), dtype=torch.float64)
        _, params, state = one.step(FUNCTION, params, state, values_of(options), clock)
    return params, one.evaluated(params, state)


def by_torch(norm: float = 0.0, value: float = 0.0, ema: float = 0.0) -> tuple[Leaves, Leaves]:
    """Likewise, by torch."""
    model = torch.nn.ParameterList([torch.nn.Parameter(p.clone()) for p in start()])
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(ema))
    torchs = torch.optim.SGD(model.parameters(), lr=LR)
    for _ in range(STEPS):
        torchs.zero_grad()
        loss(tuple(model)).backward()  # type: ignore[no-untyped-call]  # torch has no types there
        if value:
            torch.nn.utils.clip_grad_value_(model.parameters(), value)
        if norm:
            torch.nn.utils.clip_grad_norm_(model.parameters(), norm)
        torchs.step()
        average.update_parameters(model)
    averaged = tuple(average.module) if ema else tuple(model)
    return tuple(p.detach() for p in model), tuple(p.detach() for p in averaged)


@pytest.mark.parametrize(
    ("options", "truth"),
    [
        ({"clip_norm": 0.5}, {"norm": 0.5}),
        ({"clip_norm": 5.0}, {"norm": 5.0}),
        ({"clip_value": 0.3}, {"value": 0.3}),
        ({"clip_value": 0.3, "clip_norm": 0.5}, {"value": 0.3, "norm": 0.5}),
        ({"clip_norm": 1.0, "ema": 0.9}, {"norm": 1.0, "ema": 0.9}),
        ({"clip_value": 0.2, "ema": 0.99}, {"value": 0.2, "ema": 0.99}),
    ],
)
def test_modifiers_do_what_torch_does(options: dict[str, float], truth: dict[str, float]) -> None:
    """Over 100 updates, to 1e-9; values are clipped before the norm."""
    for found, expected in zip(fitted(options), by_torch(**truth), strict=True):
        for a, b in zip(found, expected, strict=True):
            assert (a - b).abs().max() <= 1e-9 * b.abs().max()


def test_clipping_matters_here() -> None:
    """Without it the same fit is another one, from the first update on."""
    plain, clipped = fitted({}, 1), fitted({"clip_norm": 0.5}, 1)
    assert not torch.allclose(plain[0][0], clipped[0][0])


@pytest.mark.parametrize("name", MODIFIERS)
def test_each_is_off_at_its_default_for_a_fit_among_others(name: str) -> None:
    """Given, at 0, it gives the numbers of a fit that has none."""
    plain, found = (
        fitted({"clip_norm": 0.5} if name != "clip_norm" else {}, 20),
        fitted({"clip_norm": 0.5, name: 0.0} if name != "clip_norm" else {name: 0.0}, 20),
    )
    for a, b in zip((*plain[0], *plain[1]), (*found[0], *found[1]), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


def test_before_the_first_update_the_average_is_the_initial_parameters() -> None:
    """So that a fit can be judged at step 0."""
    one = composed("adam", given=["ema"], steps=1)
    state = one.init(start())
    for a, b in zip(one.evaluated(start(), state), start(), strict=True):
        assert torch.equal(a, b)


def test_a_norm_that_is_no_number_stays_one() -> None:
    """A diverged fit is not clipped back to something finite."""
    inf = Function(
        loss_and_gradient=lambda at: (loss(at), tuple(p * float("nan") for p in at)),
        residuals=lambda at: at[0],
    )
    for options in ({"clip_norm": 0.5}, {"clip_value": 0.5}):
        one = composed("sgd", given=options, steps=1)
        _, moved, _ = one.step(inf, start(), one.init(start()), values_of(options), None)
        assert all(bool(torch.isnan(p).all()) for p in moved)
