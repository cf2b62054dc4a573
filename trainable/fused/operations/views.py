"""Zero-cost views: they map the dimensions of a tensor to axes of the underlying value.

None of it is work at run time: a view only says where an operation finds its operand's numbers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from shoal.trainable.fused.loops import (
    Axes,
    Axis,
    Dim,
    Index,
    NotLowered,
    Operand,
    Value,
    flat,
    size,
)
from shoal.trainable.fused.operations.view import View, as_number


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
        for view in self._split_alike(views, rank):
            for i, dim in enumerate(view.dims, -len(view.dims)):
                walked = [where.setdefault(self._axes.find(axis), i) for axis in dim]
                view = self.renamed(view, i, [n for n, at in enumerate(walked) if at != i])
            apart.append(view)
        dims: list[Dim] = [()] * rank
        for n, view in enumerate(apart):
            lead = rank - len(view.dims)
            for i in range(lead, rank):
                view = self.renamed(view, i - lead, self.apart(dims[i], view.dims[i - lead]))
                dims[i] = self._axes.unify(dims[i], view.dims[i - lead])
            apart[n] = view
        self._axes.check(flat(dims))
        return apart, dims

    def _split_alike(self, views: Sequence[View], rank: int) -> list[View]:
        """The views with a dimension as several axes where another one has it so."""
        finest: list[Dim] = [()] * rank
        for view in views:
            for i, dim in enumerate(view.dims, rank - len(view.dims)):
                if len(dim) > max(1, len(finest[i])):
                    finest[i] = dim
        alike = []
        for view in views:
            for i, like in enumerate(finest[rank - len(view.dims) :]):
                view = self.split(view, i, like)
            alike.append(view)
        return alike

    def split(self, view: View, i: int, like: Dim) -> View:
        """Return the view with dimension `i` as the axes of a dimension of its size, row by row;
        as it is, where it has no single axis or `like` has no more."""
        if len(view.dims[i]) != 1 or len(like) < 2 or size(view.dims[i]) != size(like):
            return view
        if not isinstance(view.operand.value, Value):  # a number has no place along any axis
            return view.having([*view.dims[:i], like, *view.dims[i:][1:]])
        if any(self._axes.are_one(axis, self._lane) for axis in like):
            return view
        return self._split(view, i, like)

    def _split(self, view: View, i: int, to: Dim) -> View:
        axis = _only(view.dims[i])
        strides = [size(to[place + 1 :]) for place in range(len(to))]
        index = Index(tuple(zip(to, strides, strict=True)))
        dims = [to if place == i % len(view.dims) else dim for place, dim in enumerate(view.dims)]
        return replace(view, operand=self._placed(view.operand, axis, index), dims=tuple(dims))

    def apart(self, a: Dim, b: Dim) -> list[int]:
        """Return at which places of two dimensions there are axes that cannot be one."""
        pairs = enumerate(zip(a, b, strict=False))
        return [n for n, (one, other) in pairs if not self._axes.may_be_one(one, other)]

    def renamed(self, view: View, i: int, which: Sequence[int]) -> View:
        """Return the view, the axes at these places of its dimension `i` no longer one with others
        that walk the same."""
        own, operand = list(view.dims[i]), view.operand
        for n in which:
            (to,) = self._axes.new(own[n].size)
            operand, own[n] = self._moved(operand, own[n], to, 0), to
        dims = [*view.dims[:i], tuple(own), *view.dims[i:][1:]]
        return replace(view, operand=operand, dims=tuple(dims))

    def _same(self, view: View, *_: Any, **named: Any) -> View:
        return view

    def _reshape(self, view: View, shape: Sequence[int]) -> View:
        left = list(flat(view.dims))
        known = math.prod(places for places in shape if places != -1)
        if not known or not size(left):
            raise NotLowered("a reshape of an empty tensor")
        whole = [size(left) // known if places == -1 else places for places in shape]
        dims: list[Dim] = []
        view = view.having([(axis,) for axis in left])
        for places in whole:
            taken: list[Axis] = []
            while size(taken) < places:
                first, among = left.pop(0), places // size(taken)
                if first.size > among:
                    if places % size(taken) or first.size % among:
                        raise NotLowered("a reshape that splits a dimension unevenly")
                    parts = (*self._axes.new(among), *self._axes.new(first.size // among))
                    view = self._split(view, view.dims.index((first,)), parts)
                    view = view.having([(axis,) for axis in flat(view.dims)])
                    first, *rest = parts
                    left[:0] = rest
                taken.append(first)
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

    def select(self, view: View, dim: int, index: int) -> View:
        """Return the view at one place along a dimension."""
        dims = list(view.dims)
        if not dims.pop(dim):
            return view.having(dims)
        axis = _only(view.dims[dim])
        at = self._moved(view.operand, axis, None, index % axis.size)
        return replace(view, operand=at, dims=tuple(dims))

    def slice(
        self,
        view: View,
        dim: int = 0,
        start: int | None = None,
        end: int | None = None,
        step: int = 1,
    ) -> View:
        dims = list(view.dims)
        taken = range(size(dims[dim]))[start:end:step]
        if len(taken) == size(dims[dim]):
            return view
        if not taken:
            raise NotLowered("an empty slice")
        axis = _only(dims[dim])
        dims[dim] = self._axes.new(len(taken))
        (to,) = dims[dim] or (None,)
        at = self._moved(view.operand, axis, to, taken[0], step)
        return replace(view, operand=at, dims=tuple(dims))

    def _flip(self, view: View, which: Sequence[int]) -> View:
        dims, operand = list(view.dims), view.operand
        for dim in {d % len(dims) for d in which}:
            to = [self._axes.new(axis.size)[0] for axis in dims[dim]]
            for axis, other in zip(dims[dim], to, strict=True):
                operand = self._moved(operand, axis, other, axis.size - 1, -1)
            dims[dim] = tuple(to)
        return replace(view, operand=operand, dims=tuple(dims))

    def _diagonal(self, view: View, offset: int = 0, dim1: int = 0, dim2: int = 1) -> View:
        rank = len(view.dims)
        one, other = dim1 % rank, dim2 % rank
        rows, columns = view.shape[one], view.shape[other]
        count = min(rows + min(offset, 0), columns - max(offset, 0))
        if count < 1:
            raise NotLowered("an empty diagonal")
        to = self._axes.new(count)
        (along,) = to or (None,)
        view = self.placed(view, one, Index.along(along, max(-offset, 0)), ())
        view = self.placed(view, other, Index.along(along, max(offset, 0)), ())
        left = [dim for i, dim in enumerate(view.dims) if i not in (one, other)]
        return view.having([*left, to])

    def placed(self, view: View, dim: int, place: Index, to: Dim) -> View:
        """Return the view with other places along a dimension, which becomes `to`.

        Raises:
            NotLowered: a view has joined several axes there, or it is the stacked one.
        """
        operand = view.operand
        if view.dims[dim]:
            operand = self._placed(operand, _only(view.dims[dim]), place)
        dims = [*view.dims[:dim], to, *view.dims[dim + 1 :]]
        return replace(view, operand=operand, dims=tuple(dims))

    def _moved(
        self, operand: Operand, axis: Axis, to: Axis | None, offset: int, stride: int = 1
    ) -> Operand:
        """The operand with another place along an axis."""
        return self._placed(operand, axis, Index.along(to, offset, stride))

    def _placed(self, operand: Operand, axis: Axis, place: Index) -> Operand:
        if self._axes.are_one(axis, self._lane):
            raise NotLowered("an index into the stacked dimension")
        return operand.moved({own: place for own in operand.axes if self._axes.are_one(own, axis)})

    def _unbind(self, view: View, dim: int = 0) -> list[View]:
        return [self.select(view, dim, i) for i in range(size(view.dims[dim]))]

    def _parts(self, view: View, sizes: int | Sequence[int], dim: int = 0) -> list[View]:
        """Slices one after the other, each of this size, or of these."""
        whole = size(view.dims[dim])
        if isinstance(sizes, int):
            sizes = [min(sizes, whole - first) for first in range(0, whole, sizes)]
        ends = list(itertools.accumulate(sizes, initial=0))
        return [self.slice(view, dim, *part) for part in itertools.pairwise(ends)]

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


def _only(dim: Dim) -> Axis:
    """The axis of a dimension.

    Raises:
        NotLowered: a view has joined several.
    """
    if len(dim) != 1:
        raise NotLowered("an index into a dimension that a reshape has merged")
    return dim[0]


RESHAPES = ("view", "_unsafe_view", "reshape")

VIEWS: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(RESHAPES, Views._reshape),
    **dict.fromkeys(("squeeze", "squeeze_"), Views._squeeze),
    **dict.fromkeys(("unsqueeze", "unsqueeze_"), Views.unsqueeze),
    **dict.fromkeys(("alias", "detach", "contiguous"), Views._same),
    **dict.fromkeys(("transpose", "t"), Views._transpose),
    "expand": Views._expand,
    "diagonal": Views._diagonal,
    "flip": Views._flip,
    "permute": Views._permute,
    "select": Views.select,
    "slice": Views.slice,
    "unbind": Views._unbind,
    **dict.fromkeys(("split", "split_with_sizes"), Views._parts),
    **dict.fromkeys(("zeros_like", "empty_like", "zero"), Views._zeros),
    **dict.fromkeys(("new_zeros", "new_empty", "new_full"), Views._new),
    "new_ones": lambda views, view, shape, **named: views._new(view, shape, 1.0, **named),
    "ones_like": Views._ones,
    "full_like": Views._full,
}
"""Operations of torch, by name: each takes a `Views`, a view, and torch's other arguments."""
