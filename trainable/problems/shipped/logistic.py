"""Logistic regression with an l2 penalty: is a tumour benign?

    n            rows: 380 to train, 189 to validate
    x            shape (n, 30)  features, of mean 0 and standard deviation 1 over training rows
    y            shape (n,)     1 where the tumour is benign, 0 where it is malignant
    w, b         shapes (30,) and ()    weights and intercept: the parameters
    z            shape (n,)     log-odds x w + b
    l2           shape ()       strength of the penalty: a hyperparameter
    L            shape ()       loss Σ (log(1 + exp z) - y z) / n + l2 |w|² / 2

The intercept is not penalised. scikit-learn's LogisticRegression(C=C) minimises
C Σ (log(1 + exp z) - y z) + |w|² / 2, which has the same optimum where

    C = 1 / (n l2),   n = 380.

The learning rates of the default space are those with which Adam converges in 2,000 steps. Smaller
ones stop a fit early, which keeps weights small too: there the least l2 is the best.

The split is fixed: of each class, in the order of the file, every third row is for validation. The
means and standard deviations are those of the training rows.

Source: W. Wolberg, O. Mangasarian, N. Street and W. Street, Breast Cancer Wisconsin (Diagnostic),
UCI Machine Learning Repository (1995), CC BY 4.0; as scikit-learn ships it, which is needed
(``pip install 'shoal[data]'``).
"""

from __future__ import annotations

from functools import cache

import torch

from shoal.trainable.problems import Params
from shoal.trainable.problems.shipped.tables import table

_MEASURES = (
    *("radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity"),
    *("concave points", "symmetry", "fractal dimension"),
)


class Logistic:
    """Mean log loss of a linear model with an l2 penalty; validation rows choose the penalty."""

    space = {"lr": "3e-2:3e-1:log", "l2": "1e-6:1:log", "optimizer": "adam"}
    objective = "validation_loss"
    stratify = "y"
    inputs = (
        *(f"mean {measure}" for measure in _MEASURES),
        *(f"{measure} error" for measure in _MEASURES),
        *(f"worst {measure}" for measure in _MEASURES),
    )

    prepared: dict[str, torch.Tensor]

    def prepare(self) -> dict[str, torch.Tensor]:
        """Return means and standard deviations of the features of training rows, each (30,)."""
        x, y = _table()
        train = x[~_held_out(y)]
        return {
            "mean": train.mean(dim=0).float(),
            "deviation": train.std(dim=0, correction=0).float(),
        }

    def data(self) -> dict[str, torch.Tensor]:
        """Return x, shape (380, 30), and y, shape (380,), of the training rows."""
        x, y = _table()
        return self._rows(x, y, ~_held_out(y))

    def validation(self) -> dict[str, torch.Tensor]:
        """Return x, shape (189, 30), and y, shape (189,), of the validation rows."""
        x, y = _table()
        return self._rows(x, y, _held_out(y))

    def initial(self, seed: int) -> Params:
        """Return w, thirty normal draws of standard deviation 0.1, and b = 0."""
        generator = torch.Generator().manual_seed(seed)
        return {"w": 0.1 * torch.randn(30, generator=generator), "b": torch.zeros(())}

    def loss_and_gradient(
        self,
        params: dict[str, torch.Tensor],
        data: dict[str, torch.Tensor],
        l2: float | torch.Tensor = 0.0,
    ) -> tuple[torch.Tensor, Params]:
        """Return L and its gradient."""
        x, y, w = data["x"], data["y"], params["w"]
        z = x @ w + params["b"]
        loss = _log_loss(z, y) + 0.5 * l2 * (w * w).sum()
        # ∂L/∂z = (σ(z) - y) / n,  ∂L/∂w = xᵀ ∂L/∂z + l2 w,  ∂L/∂b = Σ ∂L/∂z
        g = (torch.sigmoid(z) - y) / y.shape[0]
        return loss, {"w": g @ x + l2 * w, "b": g.sum()}

    def metrics(
        self, params: dict[str, torch.Tensor], validation: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Return the mean log loss, without the penalty, and the share of rows told right."""
        y = validation["y"]
        z = validation["x"] @ params["w"] + params["b"]
        right = (z > 0) == (y > 0.5)
        return {"validation_loss": _log_loss(z, y), "accuracy": right.to(z.dtype).mean()}

    def predict(self, params: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """Return the probability that each tumour is benign, shape (n,), of features (n, 30)."""
        return torch.sigmoid(self._scaled(x).to(params["w"].dtype) @ params["w"] + params["b"])

    def _rows(
        self, x: torch.Tensor, y: torch.Tensor, which: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        return {"x": self._scaled(x[which]).float(), "y": y[which].float()}

    def _scaled(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.prepared["mean"]) / self.prepared["deviation"]


def _log_loss(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Σ (log(1 + exp z) - y z) / n, where log(1 + exp z) = max(z, 0) + log(1 + exp -|z|)."""
    return (z.clamp(min=0) + torch.log1p(torch.exp(-z.abs())) - y * z).mean()


def _held_out(y: torch.Tensor) -> torch.Tensor:
    """Which rows are for validation, shape of y: the third, sixth, ... of each class."""
    rank = torch.where(y > 0.5, (y > 0.5).cumsum(0), (y < 0.5).cumsum(0))
    return rank % 3 == 0


@cache
def _table() -> tuple[torch.Tensor, torch.Tensor]:
    """The features, shape (569, 30), and the classes, shape (569,), in float64.

    Raises:
        ContractError: scikit-learn is not installed.
    """
    return table("breast_cancer.csv")
