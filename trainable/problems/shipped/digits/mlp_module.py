"""The net of `mlp` as a module: torch makes its gradient.

Notation, loss, rows and initial parameters are those of `mlp`, and so, to rounding, are the fits.
"""

from __future__ import annotations

import torch
from torch import nn

from shoal.trainable.problems.shipped.digits.of_module import DigitsModule
from shoal.trainable.problems.shipped.digits.rows import CLASSES, PIXELS


class Net(nn.Module):
    """One hidden layer: logits, shape (n, 10), of pixels, shape (n, 64)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(PIXELS, width)
        self.output = nn.Linear(width, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        found: torch.Tensor = self.output(torch.tanh(self.hidden(x)))
        return found


class MlpModule(DigitsModule):
    """Mean cross entropy of a net 64-k-10; the accuracy of validation rows is searched for."""

    def __init__(self, width: int = 32) -> None:
        """Take the width of the hidden layer."""
        self.width = width

    def module(self) -> nn.Module:
        """Return the net, as torch initialises it."""
        return Net(self.width)
