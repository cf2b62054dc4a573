"""Logistic regression: scikit-learn has the same optimum; validation rows choose the penalty."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from shoal.trainable.errors import ContractError
from shoal.trainable.optimizers.composed import composed
from shoal.trainable.optimizers.methods.optimizer import Function
from shoal.trainable.problems.problem import Leaves
from shoal.trainable.problems.shipped import logistic
from shoal.trainable.problems.shipped.logistic import Logistic
from shoal.trainable.problems.values import cast

sklearn = pytest.importorskip("sklearn")


@pytest.fixture
def problem() -> Any:
    """An instance, prepared as shoal prepares it."""
    made = Logistic()
    made.prepared = made.prepare()
    return made


def optimum(data: dict[str, torch.Tensor], l2: float) -> dict[str, torch.Tensor]:
    """What scikit-learn finds, in float64."""
    from sklearn.linear_model import LogisticRegression

    n = data["y"].shape[0]
    model = LogisticRegression(C=1 / (n * l2), solver="newton-cholesky", tol=1e-10, max_iter=1000)
    model.fit(data["x"].numpy(), data["y"].numpy())
    return {"w": torch.from_numpy(model.coef_[0]), "b": torch.from_numpy(model.intercept_)[0]}


@pytest.mark.parametrize("l2", [1e-6, 1e-4, 1e-2, 1.0])
def test_the_gradient_is_zero_at_scikit_learns_optimum(problem: Any, l2: float) -> None:
    """The loss is strictly convex, so no other point has none; half the penalty has another."""
    data = cast(problem.data(), torch.float64)
    best = optimum(data, l2)
    loss, gradient = problem.loss_and_gradient(best, data, l2=l2)
    assert max(g.abs().max().item() for g in gradient.values()) < 1e-9
    _, other = problem.loss_and_gradient(best, data, l2=l2 / 2)
    assert other["w"].abs().max() > 1e-6
    for name in best:
        moved = {**best, name: best[name] + 1e-2}
        assert problem.loss_and_gradient(moved, data, l2=l2)[0] > loss


def test_adam_reaches_scikit_learns_optimum(problem: Any) -> None:
    """From a start by a seed, in float32, in 2,000 steps."""
    data, l2 = problem.data(), 1e-2
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


def test_the_best_penalty_is_inside_its_default_range(problem: Any) -> None:
    """The validation loss at scikit-learn's optimum, at four values a decade: the least of them is
    at 10^-2.75, and both ends are far worse."""
    low, high, kind = Logistic.space["l2"].split(":")
    assert kind == "log"
    data = cast(problem.data(), torch.float64)
    validation = cast(problem.validation(), torch.float64)
    scan = torch.logspace(*torch.tensor([float(low), float(high)]).log10(), 25).tolist()
    losses = [
        problem.metrics(optimum(data, l2), validation)["validation_loss"].item() for l2 in scan
    ]
    best = min(range(25), key=losses.__getitem__)
    assert scan[best] == pytest.approx(10**-2.75, rel=1e-5)
    assert losses[best] < 0.06
    assert losses[0] > 0.3
    assert losses[-1] > 0.25


def test_the_split_is_a_third_of_each_class_and_nothing_is_learnt_of_validation_rows(
    problem: Any,
) -> None:
    """As many rows as are told; scaled by training rows alone."""
    data, validation = problem.data(), problem.validation()
    for rows, benign, malignant in ((data, 238, 142), (validation, 119, 70)):
        assert rows["y"].sum() == benign
        assert (1 - rows["y"]).sum() == malignant
    torch.testing.assert_close(data["x"].mean(dim=0), torch.zeros(30), rtol=0, atol=1e-5)
    torch.testing.assert_close(data["x"].std(dim=0, correction=0), torch.ones(30))
    assert validation["x"].mean(dim=0).abs().max() > 0.01


def test_predictions_are_scikit_learns(problem: Any) -> None:
    """Of the file's own rows, unscaled; and the accuracy is that of these predictions."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression

    file = load_breast_cancer()
    assert problem.inputs == tuple(file.feature_names)
    data = cast(problem.data(), torch.float64)
    best = optimum(data, 1e-2)
    x = torch.from_numpy(file.data)
    told = problem.predict(best, x)
    model = LogisticRegression(C=1 / 3.8, solver="newton-cholesky", tol=1e-10)
    model.fit(data["x"].numpy(), data["y"].numpy())
    scaled = (x - problem.prepared["mean"]) / problem.prepared["deviation"]
    truth = torch.from_numpy(model.predict_proba(scaled.numpy())[:, 1])
    torch.testing.assert_close(told, truth, rtol=0, atol=1e-6)
    held = logistic._held_out(torch.from_numpy(file.target).double())
    right = ((told > 0.5) == torch.from_numpy(file.target).bool())[held].double().mean()
    validation = cast(problem.validation(), torch.float64)
    torch.testing.assert_close(problem.metrics(best, validation)["accuracy"], right)


def test_without_scikit_learn_one_line_says_what_to_type(
    problem: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever method is called first."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    logistic._table.cache_clear()
    for method in (problem.prepare, problem.data, problem.validation):
        with pytest.raises(ContractError, match=r"^the data \(breast_cancer\.csv\) are "):
            method()
        with pytest.raises(ContractError, match=r"not installed: pip install 'shoal\[data\]'$"):
            method()


def test_the_module_itself_does_not_import_scikit_learn() -> None:
    """It is needed for the data alone."""
    code = f"import sys, {logistic.__name__}; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
