"""NIST's nonlinear regressions: certified sums, derivatives, and fits that reach the sums."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from shoal.trainable.errors import ContractError
from shoal.trainable.optimizers.composed import composed
from shoal.trainable.optimizers.methods.optimizer import Function
from shoal.trainable.problems.problem import Leaves
from shoal.trainable.problems.shipped import nist
from shoal.trainable.problems.shipped.nist import Nist
from shoal.trainable.problems.shipped.nist_models import MODELS

SETS: dict[str, Any] = json.loads(Path(nist.__file__).with_name("nist.json").read_text("utf-8"))[
    "datasets"
]
by_set = pytest.mark.parametrize("dataset", SETS)


def at(dataset: str, b: list[float]) -> dict[str, torch.Tensor]:
    """The fitted parameters where the model's are `b`."""
    scale = SETS[dataset]["starts"][1]
    return {
        f"b{k + 1}": torch.tensor(value / s, dtype=torch.float64)
        for k, (value, s) in enumerate(zip(b, scale, strict=True))
    }


@by_set
def test_the_residual_sum_at_the_certified_parameters_is_the_certified_one(dataset: str) -> None:
    """To the eleven digits that are printed. The sum of Lanczos1 is 1.4e-25, far below what its
    parameters' eleven digits can tell: there it is next to nothing."""
    problem = Nist(dataset)
    told = SETS[dataset]
    best = at(dataset, told["certified"])
    loss, gradient = problem.loss_and_gradient(best, problem.data())
    if dataset == "Lanczos1":
        assert told["residual_sum"] < loss < 1e-20
        return
    assert loss.item() == pytest.approx(told["residual_sum"], rel=2e-10)
    relative = problem.metrics(best, problem.data())["relative_error"]
    assert relative.item() == pytest.approx(0, abs=2e-10)
    start = problem.loss_and_gradient(problem.initial(0), problem.data())[1]
    for name, slope in gradient.items():
        assert slope.abs() < 1e-3 * max(g.abs() for g in start.values()), name
    for name in best:  # and it is the least nearby
        for step in (-1e-3, 1e-3):
            moved = {**best, name: best[name] * (1 + step)}
            assert problem.loss_and_gradient(moved, problem.data())[0] > loss


@by_set
@pytest.mark.parametrize("seed", [0, 1])
def test_gradients_are_those_of_autograd(dataset: str, seed: int) -> None:
    """At both starts, of each model."""
    problem = Nist(dataset)
    params = {name: p.requires_grad_() for name, p in problem.initial(seed).items()}
    loss, by_hand = problem.loss_and_gradient(params, problem.data())
    truth = torch.autograd.grad(loss, list(params.values()))
    largest = max(g.abs().max().item() for g in truth)
    for mine, theirs in zip(by_hand.values(), truth, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12 * largest)


@by_set
def test_the_squares_of_the_residuals_add_up_to_the_loss(dataset: str) -> None:
    """At both starts, whatever the order of the sum."""
    problem = Nist(dataset)
    for seed in (0, 1):
        params = problem.initial(seed)
        r = problem.residuals(params, problem.data())
        assert r.shape == (len(SETS[dataset]["x"]),)
        torch.testing.assert_close(
            (r * r).sum(), problem.loss_and_gradient(params, problem.data())[0]
        )


@by_set
def test_seeds_choose_the_start(dataset: str) -> None:
    """Even: start 1; odd: start 2."""
    problem = Nist(dataset)
    for seed in range(4):
        b = problem._parameters(problem.initial(seed))
        assert [p.item() for p in b] == pytest.approx(SETS[dataset]["starts"][seed % 2])


def test_the_sets_are_26_with_a_model_each() -> None:
    """As many rows as NIST has, and as many parameters as starts and certified ones."""
    assert SETS.keys() == MODELS.keys()
    assert len(SETS) == 26
    rows = {name: len(told["x"]) for name, told in SETS.items()}
    assert sum(rows.values()) == 2048
    assert (rows["Misra1a"], rows["Gauss1"], rows["Hahn1"], rows["ENSO"]) == (14, 250, 236, 168)
    for told in SETS.values():
        assert len(told["x"]) == len(told["y"])
        assert len(told["starts"][0]) == len(told["starts"][1]) == len(told["certified"])


@pytest.mark.parametrize(
    ("dataset", "seed", "lr"),
    [
        ("Misra1a", 1, 1.3e-2),
        ("DanWood", 0, 4.9e-2),
        ("Chwirut2", 0, 2.5e-2),
        ("Rat42", 0, 2.5e-2),
        ("Gauss1", 0, 7.1e-4),
    ],
)
def test_adam_reaches_the_certified_sum_in_2000_steps(dataset: str, seed: int, lr: float) -> None:
    """To 1e-6 of it; and the description has both sums."""
    problem = Nist(dataset)
    data, params = problem.data(), problem.initial(seed)
    values = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "lr": lr}
    h = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}

    def loss_and_gradient(leaves: Leaves) -> tuple[torch.Tensor, Leaves]:
        named = dict(zip(params, leaves, strict=True))
        loss, gradient = problem.loss_and_gradient(named, data)
        return loss, tuple(gradient.values())

    function = Function(loss_and_gradient=loss_and_gradient, residuals=lambda leaves: leaves[0])
    adam, leaves = composed("adam", given=(), steps=2000), tuple(params.values())
    state = adam.init(leaves)
    for t in range(2000):
        clock = torch.tensor(float(t), dtype=torch.float64)
        _, leaves, state = adam.step(function, leaves, state, h, clock)
    found = dict(zip(params, leaves, strict=True))
    assert abs(problem.metrics(found, data)["relative_error"].item()) < 1e-6
    text = problem.describe(found)
    certified = f"{SETS[dataset]['residual_sum']:.10e}"
    assert text.endswith(f", certified {certified}")
    assert text.count(certified[:6]) == 2
    x, y = data
    r = problem.predict(found, x[:, None]) - y
    torch.testing.assert_close((r * r).sum(), problem.loss_and_gradient(found, data)[0])


def test_an_unknown_set_is_told_with_the_known_ones() -> None:
    """In one line."""
    with pytest.raises(ContractError, match=r"^there is no dataset Misra; there are Bennett5, .*"):
        Nist("Misra")
