"""Dropout by counter: masks that follow from seed, step and place alone.

A mask's numbers are a hash of (the fit's seed, updates done, the number of the call within the
forward pass, the element's number): the finalizer of MurmurHash3 (Austin Appleby, public domain),
applied to one after the other. So a fit draws the same masks alone and among others, in one go and
resumed. All hashes are whole numbers below 2**32, in int64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from shoal.trainable.errors import ContractError
from shoal.trainable.problems import Leaves

_BITS = (1 << 32) - 1

KEY = ("seed_low", "seed_high")
"""The parts of a seed that masks are drawn from: below 2**24, so that float32 holds them."""

KEY_BITS = 24


def key_of(seed: torch.Tensor) -> Leaves:
    """Return the parts of seeds (int64), as float64 of their shape."""
    low = seed & ((1 << KEY_BITS) - 1)
    high = (seed >> KEY_BITS) & ((1 << KEY_BITS) - 1)
    return low.double(), high.double()


def mask(key: Leaves, step: torch.Tensor, call: int, shape: torch.Size, p: float) -> torch.Tensor:
    """Return which elements are kept, each with probability 1 - `p`: bool, of `shape`.

    Args:
        key: parts of the seed, each of shape (); step: updates done, shape ().
        call: number of the call within the forward pass.
    """
    count = math.prod(shape)
    if count > _BITS:
        raise ContractError(f"dropout of {count} elements at once: 2**32 is the most")
    begun = torch.full((), call, dtype=torch.int64, device=step.device)
    for part in (*key, step):
        begun = _mixed((begun + part.long()) & _BITS)
    element = torch.arange(count, device=step.device)
    return (_mixed(_mixed(element ^ begun) + begun & _BITS) >= int(p * (1 << 32))).view(shape)


def _mixed(h: torch.Tensor) -> torch.Tensor:
    h = h ^ (h >> 16)
    h = (h * 0x85EBCA6B) & _BITS
    h = h ^ (h >> 13)
    h = (h * 0xC2B2AE35) & _BITS
    return h ^ (h >> 16)


def dropped(
    channel: int | None,
    x: torch.Tensor,
    p: float,
    keep: Callable[[torch.Size], torch.Tensor],
) -> torch.Tensor:
    """Return `x` with elements, or whole channels, set to 0 and all others divided by 1 - p.

    Args:
        channel: dimensions of a channel, where whole ones go; None: elements do.
        keep: draws the mask of a shape.
    """
    if p == 1:
        return x * 0.0
    shape = x.shape
    if channel is not None:  # dimensions before it are rows and channels, as torch has them
        first = 1 if channel != 2 and x.dim() == channel + 1 else 2
        shape = torch.Size([*x.shape[:first], *[1] * (x.dim() - first)])
    return torch.where(keep(shape), x / (1 - p), torch.zeros((), dtype=x.dtype, device=x.device))
