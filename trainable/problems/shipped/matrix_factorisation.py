"""Matrix factorisation: ratings of items by users, of which half are known.

    users, items   60 and 40
    n              ratings: 1,200 to train, 400 to validate; each of another pair of user and item
    i, j           shape (n,)      user and item of each rating (int64)
    y              shape (n,)      the rating
    k              rank of the fit: a shape hyperparameter
    U, V           shapes (60, k) and (40, k)    factors: the parameters
    r              shape (n,)      residual U[i] · V[j] - y
    l2             shape ()        strength of the penalty: a hyperparameter
    L              shape ()        loss: mean of r² + l2 (|U[i]|² + |V[j]|²)

So a factor is penalised as often as it is rated, and L, over all rows, is what alternating least
squares with weighted-λ-regularisation minimises.

The ratings are computed: factors of rank 3 and noise of standard deviation 1 are normal draws of a
generator with a fixed seed, and the pairs are drawn by it too. The truth itself has an rmse of
about 1, the standard deviation of the noise.

Source of the loss: Y. Zhou, D. Wilkinson, R. Schreiber and R. Pan, Large-scale parallel
collaborative filtering for the Netflix prize (2008).
"""

from __future__ import annotations

from functools import cache

import torch

from shoal.trainable.problems import Params

USERS, ITEMS = 60, 40
TRAIN, ALL = 1200, 1600
RANK, NOISE = 3, 1.0


class MatrixFactorisation:
    """Mean squared error of ratings with an l2 penalty; validation ratings choose the penalty."""

    space = {"lr": "1e-3:1e-1:log", "l2": "1e-3:1:log", "optimizer": "adam"}
    objective = "rmse"
    batch = 240
    inputs = ("user", "item")

    def __init__(self, rank: int = RANK) -> None:
        """Take the rank of the fit."""
        self.rank = rank

    def data(self) -> dict[str, torch.Tensor]:
        """Return users, items and ratings, each of shape (1200,), to fit to."""
        return {name: values[:TRAIN] for name, values in _ratings().items()}

    def validation(self) -> dict[str, torch.Tensor]:
        """Return users, items and ratings, each of shape (400,), to judge by."""
        return {name: values[TRAIN:] for name, values in _ratings().items()}

    def initial(self, seed: int) -> Params:
        """Return U and V, normal draws of standard deviation 0.5."""
        generator = torch.Generator().manual_seed(seed)
        shapes = {"U": (USERS, self.rank), "V": (ITEMS, self.rank)}
        return {
            name: 0.5 * torch.randn(shape, generator=generator) for name, shape in shapes.items()
        }

    def loss(
        self,
        params: dict[str, torch.Tensor],
        data: dict[str, torch.Tensor],
        l2: float | torch.Tensor = 0.0,
    ) -> torch.Tensor:
        """Return L."""
        u, v = params["U"][data["user"]], params["V"][data["item"]]
        r = (u * v).sum(dim=1) - data["rating"]
        return (r * r + l2 * (u * u + v * v).sum(dim=1)).mean()

    def metrics(
        self, params: dict[str, torch.Tensor], validation: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Return the root of the mean squared error, without the penalty."""
        r = _product(params, validation["user"], validation["item"]) - validation["rating"]
        return {"rmse": (r * r).mean().sqrt()}

    def predict(self, params: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """Return the rating of each row, shape (n,), of users and items by number, (n, 2)."""
        user, item = x.long().unbind(dim=1)
        return _product(params, user, item)


def _product(
    params: dict[str, torch.Tensor], user: torch.Tensor, item: torch.Tensor
) -> torch.Tensor:
    """U[i] · V[j], shape (n,)."""
    return (params["U"][user] * params["V"][item]).sum(dim=1)


@cache
def _ratings() -> dict[str, torch.Tensor]:
    """Users, items and ratings, each of shape (1600,), those to train first."""
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(USERS, RANK, generator=generator)
    v = torch.randn(ITEMS, RANK, generator=generator)
    pairs = torch.randperm(USERS * ITEMS, generator=generator)[:ALL]
    user, item = pairs // ITEMS, pairs % ITEMS
    noise = NOISE * torch.randn(ALL, generator=generator)
    return {"user": user, "item": item, "rating": (u[user] * v[item]).sum(dim=1) + noise}
