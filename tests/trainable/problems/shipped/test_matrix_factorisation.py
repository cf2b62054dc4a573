"""Matrix factorisation: alternating least squares has the same optimum, from wherever it starts."""

from __future__ import annotations

import pytest
import torch

from shoal.trainable.optimizers.composed import composed
from shoal.trainable.optimizers.methods.optimizer import Function
from shoal.trainable.problems.problem import Leaves
from shoal.trainable.problems.shipped import matrix_factorisation
from shoal.trainable.problems.shipped.matrix_factorisation import MatrixFactorisation
from shoal.trainable.problems.values import cast

Factors = dict[str, torch.Tensor]


def optimum(data: Factors, l2: float, seed: int = 0) -> Factors:
    """The factors that alternating least squares ends at, in float64.

    With V fixed, U[i] solves (Σ v vᵀ + m l2 I) U[i] = Σ y v, where sums are over the m ratings of
    user i and v is V[j]; then the same for V. As a table: known[i, j] is 1 where there is a rating.
    """
    place = (data["user"], data["item"])
    known = torch.zeros(60, 40, dtype=torch.float64).index_put(place, data["rating"] * 0 + 1)
    ratings = torch.zeros_like(known).index_put(place, data["rating"])

    def solved(v: torch.Tensor, known: torch.Tensor, ratings: torch.Tensor) -> torch.Tensor:
        ridge = l2 * known.sum(dim=1)[:, None, None] * torch.eye(3, dtype=torch.float64)
        squares = torch.einsum("ij,ja,jb->iab", known, v, v)
        return torch.linalg.solve(squares + ridge, ratings @ v)

    generator = torch.Generator().manual_seed(seed)
    v = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    last = torch.inf
    for _ in range(1000):
        u = solved(v, known, ratings)
        v = solved(u, known.T, ratings.T)
        loss = MatrixFactorisation().loss({"U": u, "V": v}, data, l2).item()
        if last - loss < 1e-13 * loss:
            return {"U": u, "V": v}
        last = loss
    raise AssertionError("alternating least squares does not converge")


@pytest.fixture(scope="module")
def data() -> Factors:
    """The training rows, in float64."""
    found: Factors = cast(MatrixFactorisation().data(), torch.float64)
    return found


def test_the_gradient_is_zero_where_alternating_least_squares_ends(data: Factors) -> None:
    """And with half the penalty it is not; three starts end at the same products."""
    problem, l2 = MatrixFactorisation(), 0.1
    ends = [optimum(data, l2, seed) for seed in range(3)]
    slope = torch.func.grad(problem.loss)
    assert max(g.abs().max().item() for g in slope(ends[0], data, l2).values()) < 1e-6
    assert slope(ends[0], data, l2 / 2)["U"].abs().max() > 1e-4
    products = [end["U"] @ end["V"].T for end in ends]
    for product in products[1:]:
        torch.testing.assert_close(product, products[0], rtol=0, atol=1e-4)


def test_adam_reaches_the_same_loss(data: Factors) -> None:
    """From starts by two seeds, in float32, in 400 updates of all rows; and the predictions are the
    same."""
    problem, l2 = MatrixFactorisation(), 0.1
    best = optimum(data, l2)
    truth = problem.loss(best, data, l2).item()
    rows = problem.data()
    values = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "lr": 0.02}
    h = {name: torch.tensor(value) for name, value in values.items()}
    slope = torch.func.grad_and_value(problem.loss)

    def loss_and_gradient(leaves: Leaves) -> tuple[torch.Tensor, Leaves]:
        gradient, loss = slope(dict(zip("UV", leaves, strict=True)), rows, l2)
        return loss, tuple(gradient.values())

    function = Function(loss_and_gradient=loss_and_gradient, residuals=lambda leaves: leaves[0])
    adam = composed("adam", given=(), steps=400)
    for seed in range(2):
        leaves = tuple(problem.initial(seed).values())
        state = adam.init(leaves)
        for t in range(400):
            _, leaves, state = adam.step(function, leaves, state, h, torch.tensor(float(t)))
        found = dict(zip("UV", leaves, strict=True))
        assert problem.loss(found, rows, l2).item() == pytest.approx(truth, rel=1e-5)
        x = torch.tensor([[i, j] for i in range(60) for j in range(40)], dtype=torch.float64)
        torch.testing.assert_close(
            problem.predict(found, x).double(), problem.predict(best, x), rtol=0, atol=5e-3
        )


def test_the_best_penalty_is_inside_its_default_range(data: Factors) -> None:
    """The error of validation rows at the optimum, at two values a decade: the least is at 10^-1.5,
    not far above the noise."""
    problem = MatrixFactorisation()
    low, high, kind = problem.space["l2"].split(":")
    assert kind == "log"
    validation = cast(problem.validation(), torch.float64)
    ends = torch.tensor([10 * float(low), float(high)])  # below it, it converges too slowly
    scan = torch.logspace(*ends.log10(), 5).tolist()
    errors = [problem.metrics(optimum(data, l2), validation)["rmse"].item() for l2 in scan]
    best = min(range(5), key=errors.__getitem__)
    assert scan[best] == pytest.approx(10**-1.5, rel=1e-5)
    assert errors[best] == pytest.approx(1.12, abs=0.01)
    assert errors[-1] > 1.5


def test_each_pair_is_rated_once_and_by_the_truth(data: Factors) -> None:
    """1,200 and 400 of the 2,400 pairs; every user and item is among those to train."""
    validation = MatrixFactorisation().validation()
    pairs = torch.cat([rows["user"] * 40 + rows["item"] for rows in (data, validation)])
    assert len(pairs.unique()) == len(pairs) == 1600
    assert pairs.max() < 2400
    assert data["user"].bincount(minlength=60).min() >= 5
    assert data["item"].bincount(minlength=40).min() >= 5
    ratings = torch.cat([data["rating"], validation["rating"].double()])
    assert ratings.std().item() == pytest.approx(2.0, abs=0.3)  # of rank 3, and noise of 1
    assert matrix_factorisation._ratings() is matrix_factorisation._ratings()
