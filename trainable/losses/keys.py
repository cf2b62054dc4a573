"""A fit's seed, as the numbers that random masks are drawn from."""

from __future__ import annotations

import torch

from shoal.trainable.problems import Leaves

KEY = ("seed_low", "seed_high")
"""The parts of a seed that masks are drawn from: below 2**24, so that float32 holds them."""

KEY_BITS = 24


def key_of(seed: torch.Tensor) -> Leaves:
    """Return the parts of seeds (int64), as float64 of their shape."""
    low = seed & ((1 << KEY_BITS) - 1)
    high = (seed >> KEY_BITS) & ((1 << KEY_BITS) - 1)
    return low.double(), high.double()
