"""The closed form of the default problem.

The loss of the cubic is quadratic in its parameters, L(θ) = L* + ½ (θ - θ*)ᵀ H (θ - θ*) with
H = 2 XᵀX = V diag(λ) Vᵀ, so that after T steps of gradient descent, with c = Vᵀ(θ₀ - θ*),

    L_T(lr) = L* + ½ Σ λᵢ (1 - lr λᵢ)^(2T) cᵢ²
"""

from __future__ import annotations

import numpy
import pytest
import torch


class Oracle:
    """The closed form, in float64, from the normal equations."""

    def __init__(self) -> None:
        x = numpy.linspace(-numpy.pi, numpy.pi, 2000)
        X = numpy.stack([x**k for k in range(4)], axis=1)
        self.eigenvalues, self._basis = numpy.linalg.eigh(2 * X.T @ X)
        self.optimum, (self.floor,), *_ = numpy.linalg.lstsq(X, numpy.sin(x), rcond=None)

    def loss(self, lr: float, seed: int, steps: int) -> float:
        """The loss after `steps` updates from the initial parameters of `seed`."""
        torch.manual_seed(seed)
        start = numpy.array([torch.randn(()).item() for _ in range(4)])
        c = self._basis.T @ (start - self.optimum)
        decay = (1 - lr * self.eigenvalues) ** (2 * steps)
        return float(self.floor + 0.5 * (self.eigenvalues * decay * c**2).sum())


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    """The closed form."""
    return Oracle()
