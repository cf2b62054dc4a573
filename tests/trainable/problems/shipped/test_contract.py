"""What is promised of every problem that ships."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from shoal.trainable.checking.contract import check
from shoal.trainable.losses import Loss, loss_of
from shoal.trainable.optimizers.registry import OPTIMIZERS
from shoal.trainable.problems import Params, hyperparameters, leaves, names
from shoal.trainable.problems.finding import find
from shoal.trainable.problems.registry import PROBLEMS
from shoal.trainable.problems.values import cast, rebuilt, tensors

DIGITS = ("softmax", "mlp", "mlp-module", "convnet")

WIDEST = {
    "convnet": 4 * 128 * 8 * 64,
    "cubic-sine": 4 * 2000,
    "legendre-sine": 4 * 2000,
    "logistic": 4 * 380 * 30,
    "matrix-factorisation": 4 * 240 * 3,
    "mlp": 4 * 128 * 64,
    "mlp-module": 4 * 128 * 64,
    "nist": 8 * 14,
    "poisson": 4 * 674 * 9,
    "softmax": 4 * 1085 * 64,
}
"""Bytes of the largest tensor of one fit."""

BATCHES = {"convnet": 9, "matrix-factorisation": 5, "mlp": 9, "mlp-module": 9}
"""Updates of an epoch, where each takes a batch."""

BY_HAND = [name for name in PROBLEMS if hasattr(find(name).load(), "loss_and_gradient")]


def instance(name: str) -> Any:
    """An instance, prepared as shoal prepares it."""
    if name in ("logistic", *DIGITS):
        pytest.importorskip("sklearn")
    made = find(name).load()()
    if hasattr(made, "prepare"):
        made.prepared = made.prepare()
    return made


def begun(name: str) -> tuple[Any, Loss, list[Params]]:
    """An instance, its loss, and the initial parameters of three seeds."""
    problem = instance(name)
    loss = loss_of(problem, hyperparameters(type(problem)))
    return problem, loss, [loss.initial(seed, {}) for seed in range(3)]


def prepared(name: str) -> type:
    """The class of a problem, whose instances are prepared when they are made."""
    cls: Any = type(instance(name))
    if not hasattr(cls, "prepare"):
        found: type = cls
        return found

    class Prepared(cls):  # type: ignore[misc]  # a class that is known by name alone
        def __init__(self) -> None:
            super().__init__()
            self.prepared = self.prepare()

    return Prepared


@pytest.mark.parametrize("name", list(PROBLEMS))
def test_each_problem_keeps_the_contract_with_each_optimizer(name: str) -> None:
    """A problem is in the table only if it passes what a user's own has to pass."""
    cls = prepared(name)
    point = {"lr": 1e-6, **dict.fromkeys(hyperparameters(cls).own, 0.01)}
    optimizers = [name for name, one in OPTIMIZERS.items() if not one.needs_residuals]
    checked = check(cls, updates=[(o, "constant") for o in optimizers], shapes=[{}], points=[point])
    assert checked.works[0].widest_bytes == WIDEST[name]
    assert checked.works[0].unfused == ""
    assert checked.of_an_epoch == BATCHES.get(name, 0)
    assert not checked.single
    assert checked.notes == () or name == "nist"  # its metrics are of the data that it is fitted to


@pytest.mark.parametrize("distance", [0.0, 0.3, 3.0])
@pytest.mark.parametrize("name", BY_HAND)
def test_gradients_are_those_of_autograd(name: str, distance: float) -> None:
    """In float64, at the start and away from it: 1e-10 relative, and gradcheck of the loss."""
    problem = instance(name)
    data = cast(problem.data(), torch.float64)
    own = dict.fromkeys(hyperparameters(type(problem)).own, 0.1)
    generator = torch.Generator().manual_seed(1)
    start = problem.initial(0)
    variables = [
        (p.double() + distance * torch.randn((), generator=generator, dtype=torch.float64))
        .detach()
        .requires_grad_()
        for p in leaves(start)
    ]

    def loss(*values: torch.Tensor) -> torch.Tensor:
        named = dict(zip(names(start), values, strict=True))
        value: torch.Tensor = problem.loss_and_gradient(named, data, **own)[0]
        return value

    named = dict(zip(names(start), variables, strict=True))
    _, gradient = problem.loss_and_gradient(named, data, **own)
    truth = torch.autograd.grad(loss(*variables), variables)
    for by_hand, by_autograd in zip(leaves(gradient), truth, strict=True):
        torch.testing.assert_close(by_hand, by_autograd, rtol=1e-10, atol=1e-8)
    few = sum(variable.numel() for variable in variables) < 100
    assert torch.autograd.gradcheck(
        loss, variables, rtol=1e-5, atol=1e-3 if few else 1e-7, eps=1e-6, fast_mode=not few
    )


@pytest.mark.parametrize("name", list(PROBLEMS))
def test_rows_come_first_and_metrics_are_numbers_of_stacked_fits_too(name: str) -> None:
    """All tensors of `data` and of `validation` have as many rows; `vmap` takes the metrics."""
    problem, loss, fits = begun(name)
    data = problem.data()
    judged = problem.validation() if hasattr(problem, "validation") else data
    for rows in (data, judged):
        assert len({tensor.shape[0] for tensor in tensors(rows)}) == 1
    if hasattr(problem, "stratify"):
        assert problem.stratify in data
    if not hasattr(problem, "metrics"):
        return
    stacked = rebuilt(
        fits[0], [torch.stack(parts) for parts in zip(*map(leaves, fits), strict=True)]
    )
    many = torch.vmap(lambda params: loss.metrics(params, judged, {}))(stacked)
    for i, fit in enumerate(fits):
        one = loss.metrics(fit, judged, {})
        assert one.keys() == many.keys()
        for key, value in one.items():
            assert value.shape == ()
            torch.testing.assert_close(many[key][i], value)


@pytest.mark.parametrize("name", [name for name in PROBLEMS if "sine" not in name])
def test_predictions_are_one_for_each_row_of_the_inputs(name: str) -> None:
    """Of raw inputs, as many columns as there are names."""
    problem, loss, (params, *_) = begun(name)
    x = 1.0 + torch.rand(5, len(problem.inputs), generator=torch.Generator().manual_seed(0))
    together = loss.predicted(params, x)
    assert together.shape == (5,)
    for i in range(5):
        torch.testing.assert_close(loss.predicted(params, x[i : i + 1])[0], together[i])
