"""The net that shoal and its peers fit (benchmarks/nets.py), as a user of shoal writes it.

64 pixels - `width` hidden units, tanh - 10 digits; mean cross entropy of 128 rows an update
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  # as torch's documentation has it
from torch import nn

from shoal.trainable.problems.shipped.digits.rows import Digits

PIXELS, CLASSES = 64, 10
BATCH = 128


class Net:
    """The rows are those of the problems of digits that come with shoal."""

    space = {
        "width": [8, 16, 32],
        "lr": "1e-2:1:log",
        "momentum": "0:0.95",
        "weight_decay": "1e-6:1e-2:log",
    }
    objective = "accuracy:max"
    batch = BATCH

    def __init__(self, width: int = 16) -> None:
        self.width = width

    def data(self) -> dict[str, torch.Tensor]:
        return Digits().data()

    def validation(self) -> dict[str, torch.Tensor]:
        return Digits().validation()

    def initial(self, seed: int) -> dict[str, torch.Tensor]:
        """What ``torch.nn.Linear`` draws."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers = nn.Linear(PIXELS, self.width), nn.Linear(self.width, CLASSES)
        named = {
            f"{n}{i}": p.detach() for i, m in enumerate(layers, 1) for n, p in m.named_parameters()
        }
        return {
            "w1": named["weight1"],
            "b1": named["bias1"],
            "w2": named["weight2"],
            "b2": named["bias2"],
        }

    def logits(self, params: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        a = torch.tanh(x @ params["w1"].T + params["b1"])
        return a @ params["w2"].T + params["b2"]

    def loss(self, params: dict[str, torch.Tensor], data: dict[str, torch.Tensor]) -> torch.Tensor:
        return F.cross_entropy(self.logits(params, data["x"]), data["y"])

    def metrics(
        self, params: dict[str, torch.Tensor], validation: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        right = self.logits(params, validation["x"]).argmax(dim=1) == validation["y"]
        return {"accuracy": right.float().mean()}
