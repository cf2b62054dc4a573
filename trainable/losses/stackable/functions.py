"""Torch's functions as ones that can be stacked, and repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # as torch's own documentation calls it
from torch.overrides import TorchFunctionMode

from shoal.trainable.errors import ContractError
from shoal.trainable.losses.stackable.attention import adds_keys, attention, multi_head
from shoal.trainable.losses.stackable.dropout import dropped, mask
from shoal.trainable.losses.stackable.recurrent import BY_PARTS
from shoal.trainable.problems import Leaves

_DROPOUTS: Mapping[Any, int | None] = {
    F.dropout: None,
    F.dropout1d: 1,
    F.dropout2d: 2,
    F.dropout3d: 3,
}
"""Functions that drop, and dimensions of a channel, where whole channels go."""

_MULTI_HEAD = F.multi_head_attention_forward

_ATTENTIONS: Mapping[Any, Callable[..., Any]] = {
    F.scaled_dot_product_attention: attention,
    _MULTI_HEAD: multi_head,
}


class Functions(TorchFunctionMode):
    """While it is active, masks of dropout are drawn by counter, and recurrent layers and
    attentions are called by their parts.

    Attributes:
        masks: how many were drawn.
    """

    def __init__(self, key: Leaves = (), step: torch.Tensor | None = None) -> None:
        """Begin.

        Args:
            key: parts of the fit's seed, each of shape (); step: updates done, shape ().
        """
        super().__init__()
        self._key, self._step = key, step
        self.masks = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function, or what stands in for it."""
        given = dict(kwargs or {})
        if func in _DROPOUTS:
            return self._dropout(_DROPOUTS[func], *args, **given)
        if func in BY_PARTS:
            return BY_PARTS[func](self._own_dropout, *args, **given)
        if func in _ATTENTIONS and not (func is _MULTI_HEAD and adds_keys(*args, **given)):
            return _ATTENTIONS[func](self._own_dropout, *args, **given)
        return func(*args, **given)

    def _own_dropout(self, x: torch.Tensor, p: float) -> torch.Tensor:
        return self._dropout(None, x, p)

    def _dropout(
        self,
        channel: int | None,
        x: torch.Tensor,
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
    ) -> torch.Tensor:
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        if not training or p == 0:
            return x
        if inplace:
            raise ContractError("dropout with inplace=True cannot be stacked; leave inplace out")
        if not self._key or self._step is None:
            raise ContractError("dropout is there in training alone")
        self.masks += 1
        key, step, call = self._key, self._step, self.masks
        return dropped(channel, x, p, lambda shape: mask(key, step, call, shape, p))
