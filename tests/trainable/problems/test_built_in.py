"""Problems: gradients by hand against autograd and closed forms."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from shoal.trainable.checking.contract import check
from shoal.trainable.optimizers.registry import OPTIMIZERS
from shoal.trainable.problems.finding import find
from shoal.trainable.problems.problem import leaves, names
from shoal.trainable.problems.registry import PROBLEMS

WIDEST = {"cubic-sine": 4 * 2000, "legendre-sine": 4 * 2000}
"""Elements of the largest tensor of one fit."""


@pytest.fixture(params=list(PROBLEMS))
def problem(request: pytest.FixtureRequest) -> type:
    """Each problem that comes with shoal."""
    return find(request.param).load()


@pytest.mark.parametrize("name", list(PROBLEMS))
def test_each_problem_keeps_the_contract_with_each_optimizer(name: str) -> None:
    """A problem is in the table only if it passes what a user's own has to pass."""
    point = {"lr": 1e-6}
    for optimizer in OPTIMIZERS.values():
        point |= {k: v for k, v in optimizer.hyperparameters.items() if v is not None}
    problem = find(name).load()
    checked = check(problem, optimizers=list(OPTIMIZERS), shapes=[{}], points=[point])
    assert checked.work.widest_bytes == WIDEST[name]


@pytest.mark.parametrize("distance", [0.0, 0.3, 3.0])
def test_gradients_are_those_of_autograd(problem: type, distance: float) -> None:
    """In float64, at the start and away from it: 1e-10 relative, and gradcheck of the loss."""
    instance: Any = problem()
    data = tuple(tensor.double() for tensor in instance.data())
    generator = torch.Generator().manual_seed(1)
    start = instance.initial(0)
    variables = [
        (p.double() + distance * torch.randn((), generator=generator, dtype=torch.float64))
        .detach()
        .requires_grad_()
        for p in leaves(start)
    ]

    def loss(*values: torch.Tensor) -> torch.Tensor:
        named = dict(zip(names(start), values, strict=True))
        value: torch.Tensor = instance.loss_and_gradient(named, data)[0]
        return value

    named = dict(zip(names(start), variables, strict=True))
    _, gradient = instance.loss_and_gradient(named, data)
    truth = torch.autograd.grad(loss(*variables), variables)
    for by_hand, by_autograd in zip(leaves(gradient), truth, strict=True):
        torch.testing.assert_close(by_hand, by_autograd, rtol=1e-10, atol=1e-8)
    assert torch.autograd.gradcheck(loss, variables, rtol=1e-5, atol=1e-3, eps=1e-6)


def test_the_cubics_gradient_is_its_closed_form_and_zero_at_the_optimum() -> None:
    """∇L = H (θ - θ*), with H from the normal equations; the optimum is its singular point."""
    instance: Any = find("cubic-sine").load()()
    x, y = (tensor.double() for tensor in instance.data())
    X = torch.stack([x**k for k in range(4)], dim=1)
    optimum = torch.linalg.solve(X.T @ X, X.T @ y)
    theta = optimum + torch.tensor([0.3, -0.2, 0.1, 0.05], dtype=torch.float64)
    for point, expected in ((theta, 2 * X.T @ X @ (theta - optimum)), (optimum, 0 * optimum)):
        named = dict(zip("abcd", point, strict=True))
        _, gradient = instance.loss_and_gradient(named, (x, y))
        found = torch.stack([gradient[name] for name in "abcd"])
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("seed", [0, 1, 42, 1234])
def test_the_cubic_starts_where_the_course_does(seed: int) -> None:
    """a, b, c, d are four draws in this order after ``torch.manual_seed(seed)``."""
    start = find("cubic-sine").load()().initial(seed)
    torch.manual_seed(seed)
    assert [leaf.item() for leaf in start.values()] == [torch.randn(()).item() for _ in range(4)]


def test_the_legendre_problem_starts_where_the_tutorial_does() -> None:
    """a = 0, b = -1, c = 0, d = 0.3, whatever the seed."""
    instance: Any = find("legendre-sine").load()()
    for seed in (0, 5):
        assert [leaf.item() for leaf in instance.initial(seed).values()] == pytest.approx(
            [0.0, -1.0, 0.0, 0.3]
        )


def test_descriptions_are_those_of_the_scripts(problem: type) -> None:
    """The result in the words of the course's script, with every parameter in it."""
    instance: Any = problem()
    text = instance.describe(instance.initial(0))
    assert text.startswith("Result: y = ")
    for leaf in leaves(instance.initial(0)):
        assert str(leaf.item()) in text
