"""Poisson regression: scikit-learn has the same optimum; validation rows choose the penalty."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from shoal.trainable.optimizers.composed import composed
from shoal.trainable.optimizers.methods.optimizer import Function
from shoal.trainable.problems.problem import Leaves
from shoal.trainable.problems.shipped.poisson import Poisson
from shoal.trainable.problems.values import cast


@pytest.fixture
def problem() -> Any:
    """An instance, prepared as shoal prepares it."""
    made = Poisson()
    made.prepared = made.prepare()
    return made


def fitted(data: dict[str, torch.Tensor], l2: float) -> Any:
    """scikit-learn's fit, in float64."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    model = linear_model.PoissonRegressor(
        alpha=l2, solver="newton-cholesky", tol=1e-10, max_iter=1000
    )
    return model.fit(data["x"].numpy(), data["y"].numpy())


def optimum(data: dict[str, torch.Tensor], l2: float) -> dict[str, torch.Tensor]:
    """The parameters that scikit-learn finds."""
    model = fitted(data, l2)
    return {
        "w": torch.from_numpy(model.coef_),
        "b": torch.tensor(model.intercept_, dtype=torch.float64),
    }


@pytest.mark.parametrize("l2", [1e-3, 0.1, 1.0, 100.0])
def test_the_gradient_is_zero_at_scikit_learns_optimum(problem: Any, l2: float) -> None:
    """The loss is strictly convex, so no other point has none; half the penalty has another."""
    data = cast(problem.data(), torch.float64)
    best = optimum(data, l2)
    loss, gradient = problem.loss_and_gradient(best, data, l2=l2)
    assert max(g.abs().max().item() for g in gradient.values()) < 1e-9
    _, other = problem.loss_and_gradient(best, data, l2=l2 / 2)
    assert other["w"].abs().max() > 1e-5
    for name in best:
        moved = {**best, name: best[name] + 1e-2}
        assert problem.loss_and_gradient(moved, data, l2=l2)[0] > loss


def test_adam_reaches_scikit_learns_optimum(problem: Any) -> None:
    """From a start by a seed, in float32, in 2,000 steps."""
    data, l2 = problem.data(), 0.1
    params = problem.initial(3)
    values = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "lr": 0.01}
    h = {name: torch.tensor(value) for name, value in values.items()}

    def loss_and_gradient(leaves: Leaves) -> tuple[torch.Tensor, Leaves]:
        named = dict(zip("wb", leaves, strict=True))
        loss, gradient = problem.loss_and_gradient(named, data, l2=l2)
        return loss, tuple(gradient.values())

    function = Function(loss_and_gradient=loss_and_gradient, residuals=lambda leaves: leaves[0])
    adam, leaves = composed("adam", given=(), steps=2000), tuple(params.values())
    state = adam.init(leaves)
    for t in range(2000):
        _, leaves, state = adam.step(function, leaves, state, h, torch.tensor(float(t)))
    best = optimum(cast(data, torch.float64), l2)
    for leaf, truth in zip(leaves, best.values(), strict=True):
        torch.testing.assert_close(leaf.double(), truth, rtol=0, atol=2e-3)


def test_the_deviance_and_the_predictions_are_scikit_learns(problem: Any) -> None:
    """The metric of validation rows, and the loss, which is half the deviance of training rows."""
    metrics = pytest.importorskip("sklearn.metrics")
    data = cast(problem.data(), torch.float64)
    validation = cast(problem.validation(), torch.float64)
    model, best = fitted(data, 1.0), optimum(data, 1.0)
    for rows, found in (
        (data, 2 * problem.loss_and_gradient(best, data)[0]),
        (validation, problem.metrics(best, validation)["validation_deviance"]),
    ):
        truth = metrics.mean_poisson_deviance(rows["y"].numpy(), model.predict(rows["x"].numpy()))
        assert found.item() == pytest.approx(truth, rel=1e-12)
    raw = validation["x"] * problem.prepared["deviation"] + problem.prepared["mean"]
    torch.testing.assert_close(
        problem.predict(best, raw), torch.from_numpy(model.predict(validation["x"].numpy()))
    )


def test_the_best_penalty_is_inside_its_default_range(problem: Any) -> None:
    """The validation deviance at scikit-learn's optimum, at four values a decade: the least of them
    is at 1, below both ends."""
    low, high, kind = Poisson.space["l2"].split(":")
    assert kind == "log"
    data = cast(problem.data(), torch.float64)
    validation = cast(problem.validation(), torch.float64)
    scan = torch.logspace(*torch.tensor([float(low), float(high)]).log10(), 21).tolist()
    deviances = [
        problem.metrics(optimum(data, l2), validation)["validation_deviance"].item() for l2 in scan
    ]
    best = min(range(21), key=deviances.__getitem__)
    assert scan[best] == pytest.approx(1.0, rel=1e-5)
    assert deviances[best] == pytest.approx(4.02, abs=0.005)
    assert deviances[0] > 4.05
    assert deviances[-1] > 4.4


def test_the_rows_are_every_twentieth_of_the_experiment_and_a_third_is_held_out(
    problem: Any,
) -> None:
    """As many as are told; whole numbers of visits; scaled by training rows alone."""
    data, validation = problem.data(), problem.validation()
    assert data["x"].shape == (674, 9)
    assert validation["x"].shape == (336, 9)
    visits = torch.cat([data["y"], validation["y"]])
    assert torch.equal(visits, visits.round())
    assert (visits.min(), visits.max()) == (0, 48)
    torch.testing.assert_close(data["x"].mean(dim=0), torch.zeros(9), rtol=0, atol=1e-5)
    torch.testing.assert_close(data["x"].std(dim=0, correction=0), torch.ones(9))
    assert validation["x"].mean(dim=0).abs().max() > 0.01
