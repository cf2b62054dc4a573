"""A scrambled Sobol' sequence, from any of its points on.

Sobol' 1967; scrambled as Matoušek 1998 has it; as ``torch.quasirandom`` writes it.
"""

from __future__ import annotations

from typing import Any

import numpy
import torch
from numpy.typing import NDArray


def sequence(axes: int, first: int, count: int, seed: int) -> NDArray[numpy.float64]:
    """Return points `first` to `first` + `count` of the sequence of `seed`.

    Returns:
        shape (count, axes), in [0, 1).
    """
    engine: Any = torch.quasirandom.SobolEngine(axes, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
    if first:
        engine.fast_forward(first)
    points: NDArray[numpy.float64] = engine.draw(count, dtype=torch.float64).numpy()
    return points
