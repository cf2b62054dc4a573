"""A problem of what people train: a module, minibatches, dropout, and running means."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # as torch's own documentation calls it
from sides import Leaves, Sides
from torch import nn


class Net:
    """Which side of a wavy line a point is on, by a small net."""

    space = {
        "lr": "1e-2:30:log",
        "width": [2, 5],
        "optimizer": ["sgd", "adam"],
        "momentum": "0:0.9",
    }
    objective = "accuracy:max"
    stratify = "side"
    batch = 12

    def __init__(self, width: int = 4) -> None:
        self.width = width

    data = Sides.data
    prepare = Sides.prepare

    def module(self) -> nn.Module:
        """Two layers."""
        return nn.Sequential(
            nn.Linear(2, self.width),
            nn.BatchNorm1d(self.width),
            nn.Tanh(),
            nn.Dropout(0.1),
            nn.Linear(self.width, 1),
        )

    def loss(self, predict: Any, data: Leaves, l2: Any = 0.0, *, step: Any = None) -> torch.Tensor:
        """The mean negative log-likelihood, and a penalty that grows weaker."""
        score = predict(data["points"] - self.prepared["middle"])[:, 0]
        weights = sum((w * w).sum() for w in predict.parameters.values())
        loss = F.binary_cross_entropy_with_logits(score, data["side"])
        return loss + l2 * 0.99**step * weights

    def metrics(self, predict: Any, validation: Leaves) -> Leaves:
        """The share of points on the right side."""
        score = predict(validation["points"] - self.prepared["middle"])[:, 0]
        right = (score > 0) == (validation["side"] > 0.5)
        return {"accuracy": right.to(score.dtype).mean()}

    prepared: Leaves
