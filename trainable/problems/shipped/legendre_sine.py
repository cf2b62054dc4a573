"""y = sin(x) by a Legendre polynomial of degree three inside an affine map.

    x, y        shape (2000,)   points of [-π, π] and their sines
    a, b, c, d  shape ()        parameters
    u           shape (2000,)   c + d x
    P₃(u)       = (5u³ - 3u) / 2,   P₃'(u) = (15u² - 3) / 2
    r           shape (2000,)   residual a + b P₃(u) - y
    L           shape ()        loss Σ r²

Source: "PyTorch: Defining new autograd functions" of the PyTorch tutorial "Learning PyTorch with
Examples", with the gradient of all four parameters written out.
"""

from __future__ import annotations

import math

import torch

from shoal.trainable.problems import Params


class LegendreSine:
    """Sum of squared errors of a + b P₃(c + d x) over 2000 points of [-π, π]."""

    space = {"lr": "1e-7:1e-3:log"}

    def data(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return x and y, each of shape (2000,)."""
        x = torch.linspace(-math.pi, math.pi, 2000)
        return x, torch.sin(x)

    def initial(self, seed: int) -> Params:
        """Return a = 0, b = -1, c = 0, d = 0.3, whatever the seed."""
        start = {"a": 0.0, "b": -1.0, "c": 0.0, "d": 0.3}
        return {name: torch.tensor(value) for name, value in start.items()}

    def loss_and_gradient(
        self, params: dict[str, torch.Tensor], data: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, Params]:
        """Return L and its gradient."""
        x, y = data
        a, b, c, d = params["a"], params["b"], params["c"], params["d"]
        u = c + d * x
        u2 = u * u
        p3 = 0.5 * (5.0 * u2 - 3.0) * u
        r = a + b * p3 - y
        # L = Σ r²
        loss = r.pow(2).sum()
        # ∂L/∂a = Σ 2r,  ∂L/∂b = Σ 2r P₃(u),  ∂L/∂u = 2r b P₃'(u),  ∂u/∂c = 1,  ∂u/∂d = x
        g = 2.0 * r
        gu = g * b * (7.5 * u2 - 1.5)
        return loss, {"a": g.sum(), "b": (g * p3).sum(), "c": gu.sum(), "d": (gu * x).sum()}

    def describe(self, params: dict[str, torch.Tensor]) -> str:
        """Return the fitted polynomial, as the tutorial prints it."""
        a, b, c, d = (params[name].item() for name in "abcd")
        return f"Result: y = {a} + {b} * P3({c} + {d} x)"
