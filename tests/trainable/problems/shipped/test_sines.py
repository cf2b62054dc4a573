"""The two fits of sin(x): closed forms, and the starts and words of the scripts they are from."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from shoal.trainable.problems.finding import find
from shoal.trainable.problems.problem import leaves


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


@pytest.mark.parametrize("name", ["cubic-sine", "legendre-sine"])
def test_descriptions_are_those_of_the_scripts(name: str) -> None:
    """The result in the words of the course's script, with every parameter in it."""
    instance: Any = find(name).load()()
    text = instance.describe(instance.initial(0))
    assert text.startswith("Result: y = ")
    for leaf in leaves(instance.initial(0)):
        assert str(leaf.item()) in text
