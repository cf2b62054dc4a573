"""Dropout by counter: masks that follow from seed, step and place alone.

A mask's numbers are a hash of (the fit's seed, updates done, the number of the call within the
forward pass, the element's number): the finalizer of MurmurHash3 (Austin Appleby, public domain),
applied to one after the other. So a fit draws the same masks alone and among others, in one go and
resumed. All hashes are whole numbers below 2**32, in int64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from shoal.trainable.errors import ContractError
from shoal.trainable.problems import Leaves

_BITS = (1 << 32) - 1


def mask(key: Leaves, step: torch.Tensor, call: int, shape: torch.Size, p: float) -> torch.Tensor:
    """Return which elements are kept, each with probability 1 - `p`: bool, of `shape`.

    Args:
        key: parts of the seed, each of shape (); step: updates done, shape ().
        call: number of the call within the forward pass.
    """
    count = math.prod(shape)
    if count > _BITS:
        raise ContractError(f"dropout of {count} elements at once: 2**32 is the most")
    element = torch.arange(count, device=step.device).view(shape)
    low, high = key
    made: torch.Tensor = _OPERATIONS.kept(low, high, step, element, call, int(p * (1 << 32)))
    return made


def _kept(
    low: torch.Tensor,
    high: torch.Tensor,
    step: torch.Tensor,
    element: torch.Tensor,
    call: int,
    threshold: int,
) -> torch.Tensor:
    """Whether the hash of each element is at least `threshold`; shapes that broadcast."""
    begun = torch.full((), call, dtype=torch.int64, device=step.device)
    for part in (low, high, step):
        begun = _mixed((begun + part.long()) & _BITS)
    return _mixed(_mixed(element ^ begun) + begun & _BITS) >= threshold


def _mixed(h: torch.Tensor) -> torch.Tensor:
    h = h ^ (h >> 16)
    h = (h * 0x85EBCA6B) & _BITS
    h = h ^ (h >> 13)
    h = (h * 0xC2B2AE35) & _BITS
    return h ^ (h >> 16)


def _kept_of_lanes(_: Any, in_dims: Sequence[int | None], *given: Any) -> tuple[torch.Tensor, int]:
    """`_kept` of some lanes, whose axis comes first."""
    parts = list(zip(given[:4], in_dims[:4], strict=True))
    rank = max(part.dim() - (dim is not None) for part, dim in parts)

    def first(part: torch.Tensor, dim: int | None) -> torch.Tensor:
        if dim is None:
            return part
        lanes, *own = part.movedim(dim, 0).shape
        return part.movedim(dim, 0).reshape(lanes, *[1] * (rank - len(own)), *own)

    return _OPERATIONS.kept(*(first(*part) for part in parts), *given[4:]), 0


_KIND: Any = torch.library.Library  # torch has no types there
_LIBRARY = _KIND("shoal", "FRAGMENT")  # for as long as it is held
_LIBRARY.define(
    "kept(Tensor low, Tensor high, Tensor step, Tensor element, int call, int threshold) -> Tensor"
)
_LIBRARY.impl("kept", _kept, "CompositeExplicitAutograd")
torch.library.register_vmap("shoal::kept", _kept_of_lanes, lib=_LIBRARY)
_OPERATIONS = torch.ops.shoal
"""The mask as one operation, which a trace has as one, and a kernel in whole numbers."""


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
