"""A problem with everything that a problem may have: metrics, rows to judge by, new rows."""

from __future__ import annotations

from typing import Any

import torch

Leaves = dict[str, torch.Tensor]


class Sides:
    """Which side of a wavy line a point is on, by a straight one; in float32."""

    space = {"lr": "1e-2:1e3:log", "l2": "1e-4:0.3:log"}
    objective = "accuracy:max"
    inputs = ("across", "up")
    stratify = "side"

    def data(self) -> Leaves:
        """60 points, and the side of each."""
        generator = torch.Generator().manual_seed(7)
        points = 3 * torch.rand(60, 2, generator=generator) + 1
        side = points[:, 1] > 2.5 + 0.7 * torch.sin(4 * points[:, 0])
        return {"points": points, "side": side.to(points.dtype)}

    def prepare(self) -> Leaves:
        """The middle of the points, which all rows are counted from."""
        return {"middle": self.data()["points"].mean(dim=0)}

    def initial(self, seed: int) -> Leaves:
        """A slope and an offset."""
        generator = torch.Generator().manual_seed(seed)
        return {"slope": torch.randn(2, generator=generator), "offset": torch.zeros(())}

    def loss_and_gradient(
        self, params: Leaves, data: Leaves, l2: Any = 0.0
    ) -> tuple[torch.Tensor, Leaves]:
        """The mean negative log-likelihood, and l2 times the slope squared."""
        x, y, slope = data["points"] - self.prepared["middle"], data["side"], params["slope"]
        score = x @ slope + params["offset"]
        loss = (_softplus(score) - y * score).mean() + l2 * (slope * slope).sum()
        off = (torch.sigmoid(score) - y) / len(y)
        return loss, {"slope": off @ x + 2 * l2 * slope, "offset": off.sum()}

    def metrics(self, params: Leaves, validation: Leaves) -> Leaves:
        """The share of points on the right side, and the loss without l2."""
        score = (validation["points"] - self.prepared["middle"]) @ params["slope"] + params[
            "offset"
        ]
        side = validation["side"]
        right = ((score > 0) == (side > 0.5)).to(score.dtype)
        return {"accuracy": right.mean(), "surprise": (_softplus(score) - side * score).mean()}

    def predict(self, params: Leaves, x: torch.Tensor) -> torch.Tensor:
        """How likely each point is on the upper side."""
        return torch.sigmoid((x - self.prepared["middle"]) @ params["slope"] + params["offset"])


def _softplus(score: torch.Tensor) -> torch.Tensor:
    """The logarithm of 1 + exp(score), as a kernel has it."""
    return score.clamp(min=0) + torch.log1p(torch.exp(-score.abs()))
