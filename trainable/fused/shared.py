"""Constant folding: the data, and operations on them alone, computed once and not at each step."""

from __future__ import annotations

from typing import Any

import torch

from shoal.trainable.fused.loops import Axes, NotLowered, Value, all_of, flat
from shoal.trainable.fused.views import View


class Shared:
    """Tensors that all fits share (no stacked dimension).

    Attributes:
        tensors: those that operations of lanes take, each with the value that stands for it.
    """

    def __init__(self, axes: Axes) -> None:
        self._axes = axes
        self._views: dict[int, View] = {}
        self._computed: dict[str, tuple[Any, Any]] = {}
        self.tensors: list[tuple[Value, torch.Tensor]] = []

    def computed(self, target: Any, args: list[Any], named: dict[str, Any]) -> Any:
        """Return the result of an operation; equal calls give one tensor (memoised).

        Raises:
            NotLowered: it changes what it is given.
        """
        if name_of(target).endswith("_"):
            raise NotLowered("an in-place operation on the data")
        key = repr((target, _identified(args), _identified(named)))
        if key not in self._computed:
            with torch.no_grad():
                made = target(*args, **named)
            self._computed[key] = (args, named), made  # arguments held: no id() is used again
        return self._computed[key][1]

    def view(self, tensor: torch.Tensor) -> View:
        """Return the view of a tensor.

        Raises:
            NotLowered: there are no such kernels.
        """
        if id(tensor) not in self._views:
            if tensor.is_complex():
                raise NotLowered("complex numbers")
            dims = tuple(self._axes.new(size) for size in tensor.shape)
            value = Value(tensor.dtype, flat(dims), shared=True)
            self.tensors.append((value, tensor))  # the reference prevents reuse of id()
            self._views[id(tensor)] = View(all_of(value), dims, tensor.dtype)
        return self._views[id(tensor)]

    def tensor(self, value: Value) -> torch.Tensor:
        """Return the tensor that a value stands for."""
        return next(tensor for held, tensor in self.tensors if held is value)


def name_of(target: Any) -> str:
    """Return the name of an operation of torch, whichever of its overloads it is."""
    return str(getattr(target, "overloadpacket", target).__name__)


def _identified(given: Any) -> Any:
    """Arguments as a text can tell them apart: tensors by which they are."""
    if isinstance(given, (list, tuple)):
        return [_identified(item) for item in given]
    if isinstance(given, dict):
        return {name: _identified(item) for name, item in given.items()}
    return ("tensor", id(given)) if isinstance(given, torch.Tensor) else given
