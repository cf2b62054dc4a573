"""Dropout by counter: masks that follow from seed, step and place alone.

A mask's numbers are a hash of (the fit's seed, updates done, the number of the call within the
forward pass, the element's number): the finalizer of MurmurHash3 (Austin Appleby, public domain),
applied to one after the other. So a fit draws the same masks alone and among others, in one go and
resumed. All hashes are whole numbers below 2**32, in int64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # as torch's own documentation calls it
from torch.overrides import TorchFunctionMode

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


class Dropout(TorchFunctionMode):
    """Draws the masks of ``torch.nn.functional.dropout`` and its kin by counter.

    Attributes:
        calls: how many masks were drawn.
    """

    def __init__(self, key: Leaves, step: torch.Tensor | None) -> None:
        super().__init__()
        self._key, self._step = key, step
        self.calls = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Draw, where torch would have."""
        given = dict(kwargs or {})
        if func in _KINDS:
            return self._dropped(_KINDS[func], *args, **given)
        if func is F.scaled_dot_product_attention and _share(args, given):
            raise ContractError(
                "scaled_dot_product_attention with dropout_p is not available; use F.dropout"
            )
        return func(*args, **given)

    def _dropped(
        self,
        channel: int | None,
        x: torch.Tensor,
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
    ) -> torch.Tensor:
        """`x` with elements, or whole channels, set to 0 and all others divided by 1 - p.

        Args:
            channel: dimensions of a channel, where whole ones go; None: elements do.
        """
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        if not training or p == 0:
            return x
        if inplace:
            raise ContractError("dropout with inplace=True is not available; leave inplace out")
        if not self._key or self._step is None:
            raise ContractError("dropout is there in training alone")
        shape = x.shape
        if channel is not None:  # dimensions before it are rows and channels, as torch has them
            first = 1 if channel != 2 and x.dim() == channel + 1 else 2
            shape = torch.Size([*x.shape[:first], *[1] * (x.dim() - first)])
        self.calls += 1
        if p == 1:
            return x * 0.0
        keep = mask(self._key, self._step, self.calls, shape, p)
        return torch.where(keep, x / (1 - p), torch.zeros((), dtype=x.dtype, device=x.device))


_KINDS: Mapping[Any, int | None] = {
    F.dropout: None,
    F.dropout1d: 1,
    F.dropout2d: 2,
    F.dropout3d: 3,
}
"""Functions of torch that drop, and dimensions of a channel, where whole channels go."""


def _share(args: tuple[Any, ...], given: Mapping[str, Any]) -> Any:
    """The dropout_p of an attention."""
    return given.get("dropout_p", args[4] if len(args) > 4 else 0.0)
