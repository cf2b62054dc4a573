"""Optimizers: pure functions that agree with torch.optim."""

from __future__ import annotations

import pytest
import torch

from shoal.trainable.optimizers.optimizer import Optimizer
from shoal.trainable.optimizers.registry import OPTIMIZERS

VALUES = {
    "lr": torch.tensor(0.05, dtype=torch.float64),
    "momentum": torch.tensor(0.8, dtype=torch.float64),
    "beta1": torch.tensor(0.85, dtype=torch.float64),
    "beta2": torch.tensor(0.95, dtype=torch.float64),
    "eps": torch.tensor(1e-6, dtype=torch.float64),
}
TWINS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.85, 0.95), eps=1e-6),
}


def start() -> tuple[torch.Tensor, ...]:
    """Leaves of two shapes."""
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(3, 2, generator=generator, dtype=torch.float64),
        torch.randn((), generator=generator, dtype=torch.float64),
    )


def gradients(step: int) -> tuple[torch.Tensor, ...]:
    """Gradients of some step."""
    generator = torch.Generator().manual_seed(step + 1)
    return tuple(torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in start())


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=list(OPTIMIZERS))
def test_an_optimizer_moves_as_its_twin_in_torch_optim(optimizer: Optimizer) -> None:
    """50 updates in float64, to 1e-12."""
    params, twin = start(), [p.clone().requires_grad_() for p in start()]
    state, torchs = optimizer.init(params), TWINS[optimizer.name](twin)
    for step in range(50):
        params, state = optimizer.update(params, gradients(step), state, VALUES)
        for p, g in zip(twin, gradients(step), strict=True):
            p.grad = g
        torchs.step()
    for p, q in zip(params, twin, strict=True):
        torch.testing.assert_close(p, q.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=list(OPTIMIZERS))
def test_an_optimizer_is_pure_and_stacks(optimizer: Optimizer) -> None:
    """Inputs stay as they were; under vmap, each lane has its own hyperparameters and moves as it
    does alone."""
    lanes = 4
    params = tuple(torch.stack([p * (i + 1) for i in range(lanes)]) for p in start())
    gradient = tuple(torch.stack([g + i for i in range(lanes)]) for g in gradients(0))
    scales = torch.tensor([1 - 0.1 * i for i in range(lanes)], dtype=torch.float64)
    values = {name: value * scales for name, value in VALUES.items()}
    state = torch.vmap(optimizer.init)(params)
    versions = [t._version for t in (*params, *gradient, *state)]
    moved, after = torch.vmap(optimizer.update)(params, gradient, state, values)
    assert versions == [t._version for t in (*params, *gradient, *state)]
    for i in range(lanes):
        alone = tuple(p[i] for p in params)
        expected, expected_state = optimizer.update(
            alone,
            tuple(g[i] for g in gradient),
            optimizer.init(alone),
            {name: v[i] for name, v in values.items()},
        )
        for many, one in ((moved, expected), (after, expected_state)):
            for a, b in zip(many, one, strict=True):
                torch.testing.assert_close(a[i], b)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=list(OPTIMIZERS))
def test_a_zero_gradient_moves_nothing(optimizer: Optimizer) -> None:
    """At a singular point, where the gradient is zero, parameters stay and are finite."""
    params = start()
    state = optimizer.init(params)
    zero = tuple(torch.zeros_like(p) for p in params)
    for _ in range(3):
        moved, state = optimizer.update(params, zero, state, VALUES)
        for p, q in zip(params, moved, strict=True):
            assert torch.equal(p, q)


def test_every_optimizer_says_what_it_takes() -> None:
    """Each optimizer needs a learning rate, and has a default for everything else."""
    for name, optimizer in OPTIMIZERS.items():
        assert optimizer.name == name
        assert [k for k, v in optimizer.hyperparameters.items() if v is None] == ["lr"]
