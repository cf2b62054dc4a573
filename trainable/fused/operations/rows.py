"""Rows by their number in memory: look-ups among many places, and sums by places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from shoal.trainable.fused.loops import COPY, Axis, Dim, Index, Value, all_of, flat, size
from shoal.trainable.fused.operations.assembly import Assembly
from shoal.trainable.fused.operations.shared import within
from shoal.trainable.fused.operations.view import View

MAX_PLACES = 32
"""Places to look among: each costs a selection and an addition for each look-up. Beyond, rows are
looked up by their number in memory."""


def is_many(index: Any, dim: Dim) -> bool:
    """Whether rows are looked up by their number, and not among a few places."""
    whole = isinstance(index, torch.Tensor) and index.dtype in (torch.int64, torch.int32)
    return whole and len(dim) == 1 and size(dim) > MAX_PLACES


def _numbers(assembly: Assembly, index: torch.Tensor, places: int) -> View:
    """An index as data, which names places that are there."""
    shared = assembly.shared
    if shared.changes(index):
        index = shared.computed(within, [index, places], {})
    return assembly.view(index)


def rows_at(assembly: Assembly, view: View, dim: int, index: torch.Tensor) -> View:
    """Return rows of x along a dimension, by their numbers."""
    (axis,) = view.dims[dim]
    numbers = _numbers(assembly, index, axis.size)
    return _placed(
        assembly, view, axis, numbers, [*view.dims[:dim], *numbers.dims, *view.dims[dim + 1 :]]
    )


def _placed(assembly: Assembly, view: View, axis: Axis, numbers: View, dims: Sequence[Dim]) -> View:
    """The view with the places along an axis that data name."""
    if isinstance(view.operand.value, Value) and view.operand != all_of(view.operand.value):
        view = assembly.map(COPY, [view], view.dims)
    place = Index(by=numbers.operand)
    at = {own: place for own in view.operand.axes if assembly.axes.are_one(own, axis)}
    assembly.axes.check(flat(dims))
    return replace(view, operand=view.operand.moved(at), dims=tuple(dims))


def numbers_along(assembly: Assembly, view: View, dim: int, index: torch.Tensor) -> View:
    """Return y[i, j] = x[i, index[i, j]]: along a dimension, the numbers at some places."""
    (axis,) = view.dims[dim]
    numbers = _numbers(assembly, index, axis.size)
    pairs = zip(numbers.dims, view.dims, strict=True)
    dims = [
        one if d == dim else assembly.axes.unify(one, other) for d, (one, other) in enumerate(pairs)
    ]
    return _placed(assembly, view, axis, numbers, dims)


def sums_along(
    assembly: Assembly, source: View, dim: int, index: torch.Tensor, places: int
) -> View:
    """Return the transpose of `numbers_along`: Σ over j of source[i, j] at (i, index[i, j])."""
    numbers, axes = _numbers(assembly, index, places), assembly.axes
    pairs = zip(numbers.dims, source.dims, strict=True)
    dims = [axes.unify(one, other) for one, other in pairs]
    over, dims[dim] = dims[dim], axes.new(places)
    return assembly.scatter(source, numbers.operand, [over], dims)


def rows_to(assembly: Assembly, rows: View, dim: int, index: torch.Tensor, places: int) -> View:
    """Return the transpose of `rows_at`: Σ of the rows that go to each place."""
    numbers, axes = _numbers(assembly, index, places), assembly.axes
    own = rows.dims[dim : dim + len(numbers.dims)]
    over = [axes.unify(one, other) for one, other in zip(numbers.dims, own, strict=True)]
    dims = [*rows.dims[:dim], axes.new(places), *rows.dims[dim + len(numbers.dims) :]]
    return assembly.scatter(rows, numbers.operand, over, dims)
