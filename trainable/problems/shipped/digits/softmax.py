"""Multinomial logistic regression with an l2 penalty: which digit is written?

    x, y, z, p   as in `rows`: pixels, digit, logits x Wᵀ + b, probabilities
    W, b         shapes (10, 64) and (10,)   weights and intercepts: the parameters
    t            shape (n, 10)   1 where a column is the row's digit, else 0
    l2           shape ()        strength of the penalty: a hyperparameter
    L            shape ()        loss: mean of -log p[y], + l2 |W|² / 2

The intercepts are not penalised. scikit-learn's LogisticRegression(C=C) minimises
C Σ -log p[y] + |W|² / 2, which has the same optimum where

    C = 1 / (n l2),   n = 1,085.

W, and the mean of b, which the loss does not depend on, aside, the optimum is unique. Each update
takes all rows.

Source of the data: `rows`.
"""

from __future__ import annotations

import torch

from shoal.trainable.problems import Params
from shoal.trainable.problems.shipped.digits.rows import (
    BRIGHTEST,
    CLASSES,
    PIXELS,
    Digits,
    judged,
    log_softmax,
    one_hot,
)


class Softmax(Digits):
    """Mean cross entropy of a linear model; validation rows choose the penalty."""

    space = {"lr": "1e-2:1:log", "l2": "1e-6:1e-1:log", "optimizer": "adam"}
    objective = "validation_loss"

    def initial(self, seed: int) -> Params:
        """Return W, normal draws of standard deviation 0.01, and b = 0."""
        generator = torch.Generator().manual_seed(seed)
        weights = 0.01 * torch.randn(CLASSES, PIXELS, generator=generator)
        return {"W": weights, "b": torch.zeros(CLASSES)}

    def loss_and_gradient(
        self,
        params: dict[str, torch.Tensor],
        data: dict[str, torch.Tensor],
        l2: float | torch.Tensor = 0.0,
    ) -> tuple[torch.Tensor, Params]:
        """Return L and its gradient."""
        x, y, weights = data["x"], data["y"], params["W"]
        z = x @ weights.T + params["b"]
        log_p, t = log_softmax(z), one_hot(y, z.dtype)
        loss = -(log_p * t).sum() / y.shape[0] + 0.5 * l2 * (weights * weights).sum()
        # ∂L/∂z = (p - t) / n,  ∂L/∂W = (∂L/∂z)ᵀ x + l2 W,  ∂L/∂b = Σ ∂L/∂z
        g = (log_p.exp() - t) / y.shape[0]
        return loss, {"W": g.T @ x + l2 * weights, "b": g.sum(dim=0)}

    def metrics(
        self, params: dict[str, torch.Tensor], validation: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Return the mean cross entropy, without the penalty, and the share of rows told right."""
        return judged(validation["x"] @ params["W"].T + params["b"], validation["y"])

    def predict(self, params: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """Return the most probable digit of each row, shape (n,), of pixels (n, 64), 0 to 16."""
        weights = params["W"]
        return ((x / BRIGHTEST).to(weights.dtype) @ weights.T + params["b"]).argmax(dim=1)
