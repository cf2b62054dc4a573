"""The check of gradients by hand: right ones pass, also at kinks; wrong ones are refused and named."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch

from shoal.trainable.checking.contract import check
from shoal.trainable.errors import ContractError

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Case = tuple[Loss, Loss, torch.Tensor]
"""Loss of w and l2, gradient, and the initial w."""

ONES, ZEROS = torch.ones(3), torch.zeros(3)
DOUBLE = torch.zeros(3, dtype=torch.float64)


def problem(loss: Loss, gradient: Loss, start: torch.Tensor) -> type:
    """A problem of one parameter, w."""

    class P:
        def data(self) -> torch.Tensor:
            return torch.ones(20)

        def initial(self, seed: int) -> dict[str, torch.Tensor]:
            return {"w": start.clone()}

        def loss_and_gradient(self, params: Any, data: Any, l2: Any = 0.1) -> Any:
            return loss(params["w"], l2), {"w": gradient(params["w"], l2)}

    return P


def checked(case: Case) -> tuple[str, ...]:
    points = [{"lr": 0.1, "l2": l2} for l2 in (0.01, 0.1, 1.0)]
    return check(problem(*case), updates=[("sgd", "constant")], shapes=[{}], points=points).notes


def side(w: torch.Tensor) -> torch.Tensor:
    """The sign of w, with 1 at 0, where autograd has 0."""
    return torch.where(w >= 0, 1.0, -1.0).to(w.dtype)


def square(w: torch.Tensor, l2: torch.Tensor) -> torch.Tensor:
    """Σ (w - 1)²."""
    return ((w - 1) ** 2).sum()


def slope(w: torch.Tensor, l2: torch.Tensor | None = None) -> torch.Tensor:
    """The derivative of `square`."""
    return 2 * (w - 1)


def first_of_ties(w: torch.Tensor) -> torch.Tensor:
    return (torch.arange(len(w)) == w.argmax()).to(w.dtype)


def part(w: torch.Tensor, element: int, factor: float) -> torch.Tensor:
    """1 for each element but one."""
    return torch.where(torch.arange(len(w)) == element, factor, 1.0).to(w.dtype)


RIGHT: dict[str, Case] = {
    "abs at 0, as autograd": (lambda w, _: w.abs().sum(), lambda w, _: w.sign(), ZEROS),
    "abs at 0, the right side": (lambda w, _: w.abs().sum(), lambda w, _: side(w), ZEROS),
    "abs that cancel": (
        lambda w, _: w[0].abs() - w[1].abs(),
        lambda w, _: side(w) * torch.tensor([1.0, -1.0], dtype=w.dtype),
        torch.zeros(2),
    ),
    "relu at 0": (lambda w, _: torch.relu(w).sum(), lambda w, _: (w >= 0).to(w.dtype), ZEROS),
    "a tie of max": (lambda w, _: w.max(), lambda w, _: first_of_ties(w), torch.zeros(4)),
    "smooth in spite of kinks": (
        lambda w, _: (torch.relu(w) + torch.log1p(torch.exp(-w.abs()))).sum(),
        lambda w, _: torch.sigmoid(w),
        ZEROS,
    ),
    "detach": (lambda w, _: (w * w.detach()).sum(), lambda w, _: 2 * w, ONES),
    "detach in every second element": (
        lambda w, _: (w * torch.where(torch.arange(6) % 2 == 0, w, w.detach())).sum(),
        lambda w, _: 2 * w,
        torch.ones(6),
    ),
    "all behind detach": (lambda w, _: square(w.detach(), _), slope, ZEROS),
    "NaN of autograd": (
        lambda w, _: torch.where(w > 0, w * w.abs().sqrt(), w * 0).sum(),
        lambda w, _: torch.where(w > 0, 1.5 * w.abs().sqrt(), w * 0),
        ZEROS,
    ),
    "straight-through": (
        lambda w, _: ((w + (w.sign() - w).detach() - 0.3) ** 2).sum(),
        lambda w, _: 2 * (w.sign() - 0.3),
        0.2 * ONES,
    ),
    "constant piece by piece": (
        lambda w, _: w.round().sum() + 0 * w.sum(),
        lambda w, _: 0 * w,
        ONES,
    ),
    "huge": (lambda w, _: 1e15 * square(w, _), lambda w, _: 1e15 * slope(w), ZEROS),
    "tiny": (lambda w, _: 1e-20 * square(w, _), lambda w, _: 1e-20 * slope(w), ZEROS),
    "an exact optimum": (square, slope, ONES),
    "undefined beside the start": (
        lambda w, _: (w - w.log()).sum(),
        lambda w, _: 1 - 1 / w,
        0.01 * ONES,
    ),
    "rounded off a kink": (
        lambda w, _: (w * w + 1e-12).sqrt().sum(),
        lambda w, _: w / (w * w + 1e-12).sqrt(),
        ZEROS,
    ),
    "large parameters": (
        lambda w, _: ((w / 1e6 - 1) ** 2).sum(),
        lambda w, _: 2e-6 * (w / 1e6 - 1),
        2e6 * ONES,
    ),
    "a large constant": (lambda w, _: 1e8 + square(w, _), slope, DOUBLE),
    "without effect but for rounding": (
        lambda w, _: torch.logsumexp(w.expand(5) + 0.3, 0) - w[0],
        lambda w, _: (torch.softmax(w.expand(5) + 0.3, 0).sum() - 1).expand(1) * 1.0,
        torch.zeros(1),
    ),
}


@pytest.mark.parametrize("case", RIGHT)
def test_a_right_gradient_passes_without_a_word(case: str) -> None:
    """What differences of the loss confirm is right, whatever autograd says; so is a side of a
    kink, and what autograd says where it is asked for by a straight-through estimator."""
    assert checked(RIGHT[case]) == ()


TWO = "multiply it by 2, or the loss by 0.5"
WRONG: dict[str, tuple[Case, str]] = {
    "one element": (
        (square, lambda w, _: slope(w) * part(w, 1, 0.0), ZEROS),
        "0 by hand, -2 by autograd and by central differences, at [1]",
    ),
    "one element of 300": (
        (square, lambda w, _: slope(w) * part(w, 299, 1.01), torch.zeros(300)),
        "at [299]",
    ),
    "a small element beside a large one": (
        (
            lambda w, _: w[0] ** 2 * 1e6 + w[1] ** 2,
            lambda w, _: 2 * w * torch.tensor([1e6, 2.0]),
            torch.ones(2),
        ),
        "at [1]",
    ),
    "at some hyperparameters": (
        (lambda w, l2: square(w, l2) + torch.where(l2 > 0.5, 1.0, 0.0) * w.prod(), slope, ZEROS),
        "is off",
    ),
    "away from the start": (
        (square, lambda w, _: torch.where(w.abs() > 2, w, slope(w)), ZEROS),
        "is off",
    ),
    "for negative values": (
        (square, lambda w, _: torch.where(w < 0, w - 1, slope(w)), ONES[:1]),
        "is off",
    ),
    "at the start alone": (
        (square, lambda w, _: torch.where(w == 0, w + 3, slope(w)), ZEROS),
        "3 by hand, -2 by autograd",
    ),
    "behind detach": (
        (lambda w, _: (w * w.detach()).sum(), lambda w, _: 3 * w, ONES),
        "3 by hand, 1 by autograd, 2 by central differences",
    ),
    "one element behind detach": (
        (
            lambda w, _: (w * w.detach()).sum(),
            lambda w, _: 2 * w * part(w, 299, 1.1),
            torch.ones(300),
        ),
        "2.2 by hand, 1 by autograd, 2 by central differences, at [299]",
    ),
    "all behind detach": (
        (lambda w, _: square(w.detach(), _), lambda w, _: w - 1, ZEROS),
        "-1 by hand, -2 by central differences",
    ),
    "a constant loss": (
        (lambda w, l2: l2 * 1.0, slope, ZEROS),
        "does not depend on the parameters through torch operations",
    ),
    "beside a kink too": (
        (lambda w, _: w.abs().sum() + w.sum() ** 2, lambda w, _: w.sign() + w.sum(), ZEROS),
        "is off",
    ),
    "a nearly right one": (
        (lambda w, _: (w - w.log()).sum(), lambda w, _: 1 - 0.999 / w, 0.01 * ONES),
        "is off",
    ),
    "NaN": (
        (lambda w, _: w.norm() + w.sum(), lambda w, _: w / w.norm() + 1, ZEROS),
        "the first loss is finite and its gradient is not: that of parameter w has 3 NaN in 3 values",
    ),
    "a sign": (
        (
            lambda w, _: ((w.sign() - 0.3) ** 2).sum() + 0 * w.sum(),
            lambda w, _: 2 * (w.sign() - 0.3),
            ONES,
        ),
        "for a straight-through estimator write",
    ),
    # named
    "half of it": (
        (square, lambda w, _: w - 1, ZEROS),
        f"the gradient is 0.5 times the derivative: {TWO}",
    ),
    "half, tiny": (
        (lambda w, _: 1e-20 * square(w, _), lambda w, _: 1e-20 * (w - 1), ZEROS),
        f"0.5 times the derivative: {TWO}",
    ),
    "half, huge": (
        (lambda w, _: 1e15 * square(w, _), lambda w, _: 1e15 * (w - 1), ZEROS),
        f"0.5 times the derivative: {TWO}",
    ),
    "half, a large constant": (
        (lambda w, _: 1e8 + square(w, _), lambda w, _: w - 1, DOUBLE),
        f"0.5 times the derivative: {TWO}",
    ),
    "half, the norm of w has no effect": (
        (
            lambda w, _: w[0] / w.norm(),
            lambda w, _: 0.5 * (part(w, 0, 2.0) - 1 - w[0] * w / w.norm() ** 2) / w.norm(),
            ONES,
        ),
        f"0.5 times the derivative: {TWO}",
    ),
    "the sum for the mean": (
        (lambda w, _: square(w, _) / 20, slope, ZEROS),
        "the gradient is 20 times the derivative: multiply it by 0.05",
    ),
    "turned round": ((square, lambda w, _: -slope(w), ZEROS), "the gradient has the wrong sign"),
    "nothing": ((square, lambda w, _: 0 * w, ZEROS), "the gradient is 0 everywhere"),
    "clipped": (
        (square, lambda w, _: slope(w).clamp(-0.5, 0.5), ZEROS),
        "the derivative clipped to [-0.5, 0.5]",
    ),
    "clipped, one element": (
        (square, lambda w, _: slope(w).clamp(-0.5, 0.5), torch.zeros(())),
        "the derivative clipped to [-0.5, 0.5]",
    ),
    "clipped, seldom": (
        (square, lambda w, _: slope(w).clamp(-10, 10), ZEROS),
        "the derivative clipped to [-10, 10]",
    ),
    "clipped from above": (
        (square, lambda w, _: slope(w).clamp(max=0.5), ZEROS),
        "the derivative clipped above at 0.5",
    ),
    "its norm clipped": (
        (square, lambda w, _: slope(w) / (slope(w).norm() + 1e-6).clamp(min=1.0), ZEROS),
        "the derivative with its norm clipped to 1",
    ),
    "its sign": ((square, lambda w, _: slope(w).sign(), ZEROS), "the sign of the derivative"),
    "weight decay": (
        (square, lambda w, l2: slope(w) + l2 * w, ZEROS),
        "plus 0.01 times the parameters (weight decay)",
    ),
    "no weight decay": (
        (lambda w, l2: square(w, l2) + l2 * (w * w).sum(), slope, ONES),
        "lacks 0.02 times the parameters",
    ),
    "transposed": (
        (
            lambda w, _: (w * torch.arange(9.0).view(3, 3)).sum() ** 2,
            lambda w, _: (
                2 * (w * torch.arange(9.0).view(3, 3)).sum() * torch.arange(9.0).view(3, 3).T
            ),
            torch.ones(3, 3),
        ),
        "the derivative transposed",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_gradient_is_refused_and_named(case: str) -> None:
    """Wherever it is wrong; what it is like is told, with what to do."""
    given, message = WRONG[case]
    with pytest.raises(ContractError, match=re.escape(message)) as caught:
        checked(given)
    assert "\n" not in str(caught.value)


def test_what_is_no_slope_at_a_kink_is_a_note() -> None:
    """At a kink there is no derivative: what is none of its sides is noted, with them."""
    (note,) = checked(
        (lambda w, _: w.abs().sum(), lambda w, _: torch.where(w == 0, 5.0, w.sign()), ZEROS)
    )
    assert re.search(r"kink .* is 5 by hand; the slopes to its two sides are -1 and 1$", note)


def test_only_one_parameter_is_named_where_only_one_is_wrong() -> None:
    """A factor of one parameter is told of that one."""

    class P:
        def data(self) -> torch.Tensor:
            return torch.ones(5)

        def initial(self, seed: int) -> tuple[torch.Tensor, ...]:
            return torch.zeros(2), torch.full((), 1e4)

        def loss_and_gradient(self, params: Any, data: Any) -> Any:
            a, b = params
            return ((a - 1) ** 2).sum() + b**2, (a - 1, 2 * b)

    with pytest.raises(ContractError, match=r"the gradient of parameter 0 is 0\.5 times"):
        check(P, updates=[("sgd", "constant")], shapes=[{}], points=[{"lr": 0.1}])


def test_tensors_of_its_own_take_part_in_float64() -> None:
    """Tensors that the instance keeps, or makes in float32, do not stand in the check's way."""

    class P:
        factor = 2.0

        def __init__(self) -> None:
            self.X = torch.eye(3)

        def data(self) -> torch.Tensor:
            return torch.ones(3)

        def initial(self, seed: int) -> tuple[torch.Tensor, ...]:
            return (torch.zeros(3),)

        def loss_and_gradient(self, params: Any, data: Any) -> Any:
            r = self.X @ params[0] - data
            return (r * r).sum(), (self.factor * self.X.T @ r,)

    class Fresh(P):
        def loss_and_gradient(self, params: Any, data: Any) -> Any:
            X = torch.eye(3)
            r = X @ params[0] - data.float()
            return (r * r).sum(), (self.factor * X.T @ r,)

    for kind in (P, Fresh):
        assert (
            check(kind, updates=[("sgd", "constant")], shapes=[{}], points=[{"lr": 0.1}]).notes
            == ()
        )
        half = type("Half", (kind,), {"factor": 1.0})
        with pytest.raises(ContractError, match="1 by hand, -2 by autograd"):
            check(half, updates=[("sgd", "constant")], shapes=[{}], points=[{"lr": 0.1}])
