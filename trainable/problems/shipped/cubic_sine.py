"""The course's fit: y = sin(x) by a cubic, with the gradient written by hand.

    x, y        shape (2000,)   points of [-π, π] and their sines
    a, b, c, d  shape ()        parameters
    r           shape (2000,)   residual a + b x + c x² + d x³ - y
    L           shape ()        loss Σ r²

Source: "Warm-up: numpy" of the PyTorch tutorial "Learning PyTorch with Examples", which the
course material of HPC2N and UPPMAX uses for its batch-job exercise.
"""

from __future__ import annotations

import math

import torch

from shoal.trainable.problems import Params


class CubicSine:
    """Sum of squared errors of a cubic over 2000 points of [-π, π]."""

    space = {"lr": "1e-8:1e-4:log"}

    def data(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return x and y, each of shape (2000,)."""
        x = torch.linspace(-math.pi, math.pi, 2000)
        return x, torch.sin(x)

    def initial(self, seed: int) -> Params:
        """Return a, b, c, d: four standard normal draws in this order, as after
        ``torch.manual_seed(seed)``."""
        generator = torch.Generator().manual_seed(seed)
        return {name: torch.randn((), generator=generator) for name in "abcd"}

    def loss_and_gradient(
        self, params: dict[str, torch.Tensor], data: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, Params]:
        """Return L and its gradient."""
        x, y = data
        a, b, c, d = params["a"], params["b"], params["c"], params["d"]
        r = a + b * x + c * x**2 + d * x**3 - y
        # L = Σ r²
        loss = r.pow(2).sum()
        # ∂L/∂a = Σ 2r,  ∂L/∂b = Σ 2r x,  ∂L/∂c = Σ 2r x²,  ∂L/∂d = Σ 2r x³
        g = 2.0 * r
        return loss, {
            "a": g.sum(),
            "b": (g * x).sum(),
            "c": (g * x**2).sum(),
            "d": (g * x**3).sum(),
        }

    def describe(self, params: dict[str, torch.Tensor]) -> str:
        """Return the fitted polynomial, as the course's script prints it."""
        a, b, c, d = (params[name].item() for name in "abcd")
        return f"Result: y = {a} + {b} x + {c} x^2 + {d} x^3"
