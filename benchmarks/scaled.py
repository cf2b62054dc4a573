"""The default problem with a third hyperparameter: `scale` times the initial parameters.

Searched together with an optimizer of two hyperparameters (momentum), it shows how good the sampler
is where one learning rate alone is easy.
"""

from __future__ import annotations

import torch

from shoal.trainable.problems.shipped.cubic_sine import CubicSine


class ScaledCubic(CubicSine):
    """The course's fit from `scale` times its start."""

    space = {"lr": "1e-8:1e-4:log", "momentum": "0:0.99", "scale": "0.1:10:log"}

    def initial(self, seed: int, scale: float = 1.0) -> dict[str, torch.Tensor]:
        """Return a, b, c, d, each `scale` times a standard normal draw."""
        return {name: scale * start for name, start in super().initial(seed).items()}
