"""Tensors side by side: concatenations, and the backward operations of select and slice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from shoal.trainable.fused.loops import (
    COPY,
    Dim,
    Index,
    NotLowered,
    Operand,
    Value,
    all_of,
)
from shoal.trainable.fused.operations.assembly import Assembly
from shoal.trainable.fused.operations.elementwise import elementwise
from shoal.trainable.fused.operations.view import View

MAX_PARTS = 32
"""Parts of a merged dimension that are put side by side again: each is a loop of its own."""


def _cat(assembly: Assembly, parts: Sequence[Any], dim: int = 0) -> View:
    views = [assembly.view(part) for part in parts]
    dim %= len(views[0].dims)
    views = [_unmerged(assembly, view, dim) for view in views]
    return assembly.join(views, [view.dims[dim] for view in views], dim)


def _stack(assembly: Assembly, parts: Sequence[Any], dim: int = 0) -> View:
    views = [assembly.view(part) for part in parts]
    dim %= len(views[0].dims) + 1
    views = [assembly.views.unsqueeze(view, dim) for view in views]
    return assembly.join(views, [()] * len(views), dim)


def _selected_back(
    assembly: Assembly, view: View, shape: Sequence[int], dim: int, index: int
) -> View:
    dim %= len(shape)
    whole = assembly.views.unsqueeze(view, dim)
    return beside_zeros(assembly, whole, shape[dim], dim, index % shape[dim])


def _sliced_back(
    assembly: Assembly, view: View, shape: Sequence[int], dim: int, start: int, end: int, step: int
) -> View:
    dim %= len(shape)
    first, _, _ = slice(start, end).indices(shape[dim])
    if step > 1:
        view = with_gaps(assembly, view, dim, step, shape[dim] - first)
    return beside_zeros(assembly, view, shape[dim], dim, first)


def with_gaps(assembly: Assembly, view: View, dim: int, step: int, most: int) -> View:
    """Return the view with zeros after each place along a dimension, up to so many places."""
    wide = spread(assembly, view, dim, step)
    places = assembly.shared.computed(torch.arange, [wide.shape[dim]], {})
    there = assembly.shared.computed(torch.remainder, [places, step], {})
    there = assembly.view(assembly.shared.computed(torch.eq, [there, 0], {}))
    there = there.having([*there.dims, *[()] * (len(view.dims) - 1 - dim)])
    wide = elementwise(assembly, torch.ops.aten.where, "where", [there, wide, 0.0], {})
    return assembly.views.slice(wide, dim, 0, most)


def spread(assembly: Assembly, view: View, dim: int, each: int) -> View:
    """Return the view with each place along a dimension `each` times, one after the other."""
    if isinstance(view.operand.value, Value) and view.operand != all_of(view.operand.value):
        view = assembly.map(COPY, [view], view.dims)  # whose places can be divided
    to = assembly.axes.new(view.shape[dim] * each)
    return assembly.views.placed(view, dim, Index(tuple((axis, 1) for axis in to), 0, each), to)


def _on_the_diagonal(
    assembly: Assembly, view: Any, source: Any, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> View:
    """Put other numbers on a diagonal of two dimensions."""
    x, source, computed = assembly.view(view), assembly.view(source), assembly.shared.computed
    rank = len(x.dims)
    one, other = dim1 % rank, dim2 % rank
    rows = computed(torch.arange, [x.shape[one]], {})
    rows = computed(torch.unsqueeze, [computed(torch.add, [rows, offset], {}), 1], {})
    columns = computed(torch.arange, [x.shape[other]], {})
    there = assembly.view(computed(torch.eq, [rows, columns], {}))
    mask: list[Dim] = [()] * rank
    mask[one], mask[other] = there.dims
    source = beside_zeros(assembly, source, x.shape[one], rank - 2, max(-offset, 0))
    along = list(source.dims[:-1])
    for dim in sorted((one, other)):
        along.insert(dim, source.dims[-1] if dim == one else ())
    given = [there.having(mask), source.having(along), x]
    return elementwise(assembly, torch.ops.aten.where, "where", given, {})


def _unmerged(assembly: Assembly, view: View, dim: int) -> View:
    """The view with one axis along a dimension, where a reshape has merged several: its parts side
    by side.

    Raises:
        NotLowered: there are too many.
    """
    if len(view.dims[dim]) < 2:
        return view
    outer, *inner = view.dims[dim]
    if outer.size > MAX_PARTS:
        raise NotLowered("a concatenation along a dimension that a reshape has merged")
    apart = view.having([*view.dims[:dim], (outer,), tuple(inner), *view.dims[dim + 1 :]])
    parts = [
        _unmerged(assembly, assembly.views.select(apart, dim, place), dim)
        for place in range(outer.size)
    ]
    return assembly.join(parts, [part.dims[dim] for part in parts], dim)


def _padded(
    assembly: Assembly, view: View, around: Sequence[int], value: float | None = 0.0
) -> View:
    """The view with a number before and after it along its last dimensions, the last one first."""
    pairs = list(zip(around[::2], around[1::2], strict=True))
    for dim, (before, after) in enumerate(reversed(pairs), len(view.dims) - len(pairs)):
        length = view.shape[dim]
        view = assembly.views.slice(view, dim, max(-before, 0), length + min(after, 0))
        wide = length + before + after
        view = beside_zeros(assembly, view, wide, dim, max(before, 0), number=value or 0.0)
    return view


def beside_zeros(
    assembly: Assembly, view: View, places: int, dim: int, first: int, *, number: float = 0.0
) -> View:
    """Return the view with zeros, or another number, before and after it along a dimension.

    Args:
        places: how many there are then; first: where the view begins.

    Raises:
        NotLowered: it is a dimension that a reshape has merged.
    """
    after = places - first - view.shape[dim]
    if not first and not after:
        return view
    view = _unmerged(assembly, view, dim)

    def filled(count: int) -> View:
        dims = (*view.dims[:dim], assembly.axes.new(count), *view.dims[dim + 1 :])
        return replace(view, operand=Operand(number), dims=dims)

    parts = [*([filled(first)] if first else []), view, *([filled(after)] if after else [])]
    return assembly.join(parts, [part.dims[dim] for part in parts], dim)


JOINED: Mapping[str, Callable[..., Any]] = {
    "cat": _cat,
    "stack": _stack,
    "constant_pad_nd": _padded,
    "select_backward": _selected_back,
    "slice_backward": _sliced_back,
    "diagonal_scatter": _on_the_diagonal,
}
"""By name: each takes an `Assembly`, and torch's arguments."""
