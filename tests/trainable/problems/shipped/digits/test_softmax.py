"""Multinomial logistic regression: scikit-learn has the same optimum."""

from __future__ import annotations

import pytest
import torch

from shoal.trainable.optimizers.composed import composed
from shoal.trainable.optimizers.methods.optimizer import Function
from shoal.trainable.problems.problem import Leaves
from shoal.trainable.problems.shipped.digits.softmax import Softmax
from shoal.trainable.problems.values import cast

pytest.importorskip("sklearn")


def optimum(data: dict[str, torch.Tensor], l2: float) -> dict[str, torch.Tensor]:
    """What scikit-learn finds, in float64."""
    from sklearn.linear_model import LogisticRegression

    n = data["y"].shape[0]
    model = LogisticRegression(C=1 / (n * l2), solver="newton-cg", tol=1e-10, max_iter=10_000)
    model.fit(data["x"].double().numpy(), data["y"].numpy())
    return {"W": torch.from_numpy(model.coef_), "b": torch.from_numpy(model.intercept_)}


@pytest.mark.parametrize("l2", [1e-4, 1e-2, 1e-1])
def test_the_gradient_is_zero_at_scikit_learns_optimum(l2: float) -> None:
    """The loss is convex, and strictly so in W, so no other W has none; half the penalty has
    another."""
    problem = Softmax()
    data = cast(problem.data(), torch.float64)
    best = optimum(data, l2)
    loss, gradient = problem.loss_and_gradient(best, data, l2=l2)
    assert max(g.abs().max().item() for g in gradient.values()) < 1e-7
    _, other = problem.loss_and_gradient(best, data, l2=l2 / 2)
    assert other["W"].abs().max() > 1e-5
    for moved in (best["W"] + 1e-2 * (torch.arange(640).view(10, 64) % 3), best["W"] * 1.01):
        assert problem.loss_and_gradient({**best, "W": moved}, data, l2=l2)[0] > loss


def test_adam_reaches_scikit_learns_optimum() -> None:
    """From a start by a seed, in float32, in 500 steps; b but for its mean, which is free."""
    problem, l2 = Softmax(), 1e-2
    data = problem.data()
    params = problem.initial(3)
    values = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "lr": 0.02}
    h = {name: torch.tensor(value) for name, value in values.items()}

    def loss_and_gradient(leaves: Leaves) -> tuple[torch.Tensor, Leaves]:
        named = dict(zip("Wb", leaves, strict=True))
        loss, gradient = problem.loss_and_gradient(named, data, l2=l2)
        return loss, tuple(gradient.values())

    function = Function(loss_and_gradient=loss_and_gradient, residuals=lambda leaves: leaves[0])
    adam, leaves = composed("adam", given=(), steps=500), tuple(params.values())
    state = adam.init(leaves)
    for t in range(500):
        _, leaves, state = adam.step(function, leaves, state, h, torch.tensor(float(t)))
    best = optimum(data, l2)
    weights, intercepts = (leaf.double() for leaf in leaves)
    torch.testing.assert_close(weights, best["W"], rtol=0, atol=2e-3)
    torch.testing.assert_close(
        intercepts - intercepts.mean(), best["b"] - best["b"].mean(), rtol=0, atol=2e-3
    )


def test_predictions_and_accuracy_are_scikit_learns() -> None:
    """Of the file's own rows, 0 to 16, that are to test."""
    from sklearn.linear_model import LogisticRegression

    problem = Softmax()
    data, test = cast(problem.data(), torch.float64), cast(problem.test(), torch.float64)
    model = LogisticRegression(C=1 / 10.85, solver="newton-cg", tol=1e-10, max_iter=10_000)
    model.fit(data["x"].numpy(), data["y"].numpy())
    best = optimum(data, 1e-2)
    truth = torch.from_numpy(model.predict(test["x"].numpy()))
    assert torch.equal(problem.predict(best, 16 * test["x"]), truth)
    right = (truth == test["y"]).double().mean()
    torch.testing.assert_close(problem.metrics(best, test)["accuracy"], right)


def test_the_best_penalty_is_inside_its_default_range() -> None:
    """The validation loss at scikit-learn's optimum, at two values a decade: the least is at 1e-4,
    and both ends are worse by more than a tenth."""
    low, high, kind = Softmax.space["l2"].split(":")
    assert kind == "log"
    problem = Softmax()
    data, validation = (cast(d, torch.float64) for d in (problem.data(), problem.validation()))
    scan = torch.logspace(*torch.tensor([float(low), float(high)]).log10(), 11).tolist()
    losses = [
        problem.metrics(optimum(data, l2), validation)["validation_loss"].item() for l2 in scan
    ]
    best = min(range(11), key=losses.__getitem__)
    assert scan[best] == pytest.approx(1e-4, rel=1e-5)
    assert losses[0] > 1.1 * losses[best]
    assert losses[-1] > 1.1 * losses[best]
