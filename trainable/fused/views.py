"""Zero-cost views: they map the dimensions of a tensor to axes of the underlying value.

None of it is work at run time: a view only says where an operation finds its operand's numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from shoal.trainable.fused.loops import (
    Axes,
    Axis,
    Dim,
    Index,
    Kind,
    NotLowered,
    Operand,
    flat,
    size,
)


@dataclass(frozen=True)
class View:
    """A tensor of the trace: an operand, and which axes its dimensions are.

    Attributes:
        dtype: the tensor's own.
        number: whether it is no tensor but a Python number.
    """

    operand: Operand
    dims: tuple[Dim, ...]
    dtype: torch.dtype
    number: bool = False

    @property
    def kind(self) -> Kind:
        """What promotion looks at."""
        return Kind(self.dtype, 0 if self.number else min(2, 1 + len(self.dims)))

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return tuple(size(dim) for dim in self.dims)

    def having(self, dims: Sequence[Dim]) -> View:
        """Return the view with other dimensions."""
        return replace(self, dims=tuple(dims))


class Views:
    """Makes views of views."""

    def __init__(self, axes: Axes, lane: Axis) -> None:
        self._axes, self._lane = axes, lane

    def lined_up(self, views: Sequence[View]) -> tuple[list[View], list[Dim]]:
        """Broadcast views against each other; return them and the common dimensions.

        Raises:
            NotLowered: they do not line up.
        """
        rank = max(len(view.dims) for view in views)
        where: dict[Axis, int] = {}
        apart = []
        for view in views:
            for i, dim in enumerate(view.dims, -len(view.dims)):
                if any(where.setdefault(self._axes.find(axis), i) != i for axis in dim):
                    view = self.renamed(view, i)
            apart.append(view)
        dims: list[Dim] = [()] * rank
        for n, view in enumerate(apart):
            lead = rank - len(view.dims)
            for i in range(lead, rank):
                if not self.may_be_one(dims[i], view.dims[i - lead]):
                    view = self.renamed(view, i - lead)
                dims[i] = self._axes.unify(dims[i], view.dims[i - lead])
            apart[n] = view
        self._axes.check(flat(dims))
        return apart, dims

    def may_be_one(self, a: Dim, b: Dim) -> bool:
        """Whether two dimensions can be one as they are."""
        pairs = zip(a, b, strict=False)
        return all(self._axes.may_be_one(one, other) for one, other in pairs)

    def renamed(self, view: View, i: int) -> View:
        """Return the view, its dimension `i` no longer one with others that walk the same axis."""
        axis = _only(view.dims[i])
        dims = list(view.dims)
        dims[i] = self._axes.new(axis.size)
        return replace(
            view, operand=self._moved(view.operand, axis, dims[i][0], 0), dims=tuple(dims)
        )

    def _same(self, view: View, *_: Any, **named: Any) -> View:
        return view

    def _reshape(self, view: View, shape: Sequence[int]) -> View:
        left = list(flat(view.dims))
        known = math.prod(places for places in shape if places != -1)
        if not known or not size(left):
            raise NotLowered("a reshape of an empty tensor")
        whole = [size(left) // known if places == -1 else places for places in shape]
        dims: list[Dim] = []
        for places in whole:
            taken: list[Axis] = []
            while size(taken) < places:
                taken.append(left.pop(0))
            if size(taken) > places:
                raise NotLowered("a reshape that splits a dimension")
            dims.append(tuple(taken))
        return view.having(dims)

    def unsqueeze(self, view: View, dim: int) -> View:
        """Return the view with a dimension of size 1 more."""
        dims = list(view.dims)
        dims.insert(dim if dim >= 0 else dim + len(dims) + 1, ())
        return view.having(dims)

    def _squeeze(self, view: View, dim: int | Sequence[int] | None = None) -> View:
        rank = len(view.dims)
        which = range(rank) if dim is None else [dim] if isinstance(dim, int) else dim
        gone = {d % rank for d in which if not view.dims[d]}
        return view.having([d for i, d in enumerate(view.dims) if i not in gone])

    def _expand(self, view: View, shape: Sequence[int], **named: Any) -> View:
        lead = len(shape) - len(view.dims)
        dims: list[Dim] = [*[()] * lead, *view.dims]
        for i, places in enumerate(shape):
            if not dims[i] and places != -1:
                dims[i] = self._axes.new(places)
        return view.having(dims)

    def _permute(self, view: View, order: Sequence[int]) -> View:
        return view.having([view.dims[i] for i in order])

    def _transpose(self, view: View, a: int = 0, b: int = 1) -> View:
        dims = list(view.dims)
        if len(dims) > 1:
            dims[a], dims[b] = dims[b], dims[a]
        return view.having(dims)

    def _select(self, view: View, dim: int, index: int) -> View:
        dims = list(view.dims)
        if not dims.pop(dim):
            return view.having(dims)
        axis = _only(view.dims[dim])
        at = self._moved(view.operand, axis, None, index % axis.size)
        return replace(view, operand=at, dims=tuple(dims))

    def _slice(
        self,
        view: View,
        dim: int = 0,
        start: int | None = None,
        end: int | None = None,
        step: int = 1,
    ) -> View:
        dims = list(view.dims)
        first, last, _ = slice(start, end).indices(size(dims[dim]))
        if step != 1:
            raise NotLowered("a slice with steps")
        if last - first == size(dims[dim]):
            return view
        if last <= first:
            raise NotLowered("an empty slice")
        axis = _only(dims[dim])
        dims[dim] = self._axes.new(last - first)
        (to,) = dims[dim] or (None,)
        at = self._moved(view.operand, axis, to, first)
        return replace(view, operand=at, dims=tuple(dims))

    def _moved(self, operand: Operand, axis: Axis, to: Axis | None, offset: int) -> Operand:
        """The operand with another place along an axis."""
        if self._axes.are_one(axis, self._lane):
            raise NotLowered("an index into the stacked dimension")
        at = tuple(
            Index(to, index.offset + offset) if self._axes.are_one(index.axis, axis) else index
            for index in operand.at
        )
        return Operand(operand.value, at)

    def _unbind(self, view: View, dim: int = 0) -> list[View]:
        return [self._select(view, dim, i) for i in range(size(view.dims[dim]))]

    def _zeros(self, view: View, **named: Any) -> View:
        return self._full(view, 0.0, **named)

    def _ones(self, view: View, **named: Any) -> View:
        return self._full(view, 1.0, **named)

    def _full(
        self, view: View, number: float, dtype: torch.dtype | None = None, **named: Any
    ) -> View:
        dtype = dtype or view.dtype
        return View(Operand(as_number(number, dtype)), view.dims, dtype)

    def _new(self, view: View, shape: Sequence[int], number: float = 0.0, **named: Any) -> View:
        dims = [self._axes.new(places) for places in shape]
        return self._full(view.having(dims), number, **named)

    def _new_ones(self, view: View, shape: Sequence[int], **named: Any) -> View:
        return self._new(view, shape, 1.0, **named)


def _only(dim: Dim) -> Axis:
    """The axis of a dimension.

    Raises:
        NotLowered: a view has joined several.
    """
    if len(dim) != 1:
        raise NotLowered("an index into a dimension that a reshape has merged")
    return dim[0]


def as_number(number: float, dtype: torch.dtype) -> float:
    """Return the number that `number` is in a dtype, as a kernel writes it.

    Raises:
        NotLowered: it is none.
    """
    held = torch.tensor(number, dtype=dtype)
    if held.is_complex():
        raise NotLowered("complex numbers")
    return float(held)


VIEWS: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(("view", "_unsafe_view", "reshape"), Views._reshape),
    **dict.fromkeys(("squeeze", "squeeze_"), Views._squeeze),
    **dict.fromkeys(("unsqueeze", "unsqueeze_"), Views.unsqueeze),
    **dict.fromkeys(("alias", "detach", "contiguous"), Views._same),
    **dict.fromkeys(("transpose", "t"), Views._transpose),
    "expand": Views._expand,
    "permute": Views._permute,
    "select": Views._select,
    "slice": Views._slice,
    "unbind": Views._unbind,
    **dict.fromkeys(("zeros_like", "empty_like", "zero"), Views._zeros),
    **dict.fromkeys(("new_zeros", "new_empty", "new_full"), Views._new),
    "new_ones": Views._new_ones,
    "ones_like": Views._ones,
    "full_like": Views._full,
}
"""Operations of torch, by name: each takes a `Views`, a view, and torch's other arguments."""
