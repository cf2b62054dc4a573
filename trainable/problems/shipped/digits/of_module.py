"""What problems of digits have in common whose net is a module: loss, metrics and predictions.

    x, y   as in `rows`: pixels and digit
    z      shape (n, 10)   logits: what the module makes of x
    w      weights: all parameters of the module that are no vectors
    l2     shape ()        strength of the penalty: a hyperparameter
    L      shape ()        loss: mean of -log softmax(z)[y], + l2 Σ |w|² / 2

Each update takes 128 of the 1,085 rows; an epoch has nine updates.
"""

from __future__ import annotations

import torch

from shoal.trainable.problems import Predict
from shoal.trainable.problems.shipped.digits.rows import BRIGHTEST, Digits, cross_entropy, judged


class DigitsModule(Digits):
    """Mean cross entropy of a module; the accuracy of validation rows is searched for."""

    space = {"lr": "1e-3:1e-1:log", "l2": "1e-6:1e-2:log", "optimizer": "adam"}
    objective = "accuracy:max"
    batch = 128

    def loss(
        self, predict: Predict, data: dict[str, torch.Tensor], l2: float | torch.Tensor = 0.0
    ) -> torch.Tensor:
        """Return L."""
        squares = [(w * w).sum() for w in predict.parameters.values() if w.dim() > 1]
        penalty = 0.5 * l2 * torch.stack(squares).sum()
        return cross_entropy(predict(data["x"]), data["y"]) + penalty

    def metrics(
        self, predict: Predict, validation: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Return the mean cross entropy, without the penalty, and the share of rows told right."""
        return judged(predict(validation["x"]), validation["y"])

    def predict(self, predict: Predict, x: torch.Tensor) -> torch.Tensor:
        """Return the most probable digit of each row, shape (n,), of pixels (n, 64), 0 to 16."""
        logits: torch.Tensor = predict(x / BRIGHTEST)
        return logits.argmax(dim=1)
