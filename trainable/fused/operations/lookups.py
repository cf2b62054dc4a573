"""Look-ups by an index, such as the class of each row: gather and scatter.

Whether a place is the one that an index names (a one-hot encoding of it) is computed once, where
the index is the same for all fits. Fits may have an index each where that is the place of a maximum
or minimum, and so within bounds. A look-up is a sum over all places of what stands there or 0, and
what is scattered stands at a place or not; no other place's inf or NaN comes into it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from shoal.trainable.fused.loops import Dim, NotLowered, Value, size
from shoal.trainable.fused.operations.assembly import Assembly
from shoal.trainable.fused.operations.elementwise import elementwise
from shoal.trainable.fused.operations.rows import (
    MAX_PLACES,
    is_many,
    numbers_along,
    rows_at,
    rows_to,
    sums_along,
)
from shoal.trainable.fused.operations.shared import encoded, encoded_within, from_the_end
from shoal.trainable.fused.operations.view import View

MAX_ENCODED = 1 << 22
"""Numbers of one encoding."""


def _encoding(assembly: Assembly, index: Any, places: int) -> View:
    """The encoding of an index, with a last dimension for the places.

    Raises:
        NotLowered: fits have an index each that may be out of bounds, or it is too large.
    """
    if isinstance(index, View) and index.dtype == torch.int64:
        return _encoding_of_lanes(assembly, index, places)
    if not isinstance(index, torch.Tensor) or index.dtype not in (torch.int64, torch.int32):
        raise NotLowered("a look-up by what differs from fit to fit, or by truth values")
    if places > MAX_PLACES:
        raise NotLowered(f"a look-up among {places} places, more than {MAX_PLACES}")
    if index.numel() * places > MAX_ENCODED:
        raise NotLowered("a look-up of more numbers than a kernel is given")
    shared = assembly.shared
    function = encoded_within if shared.changes(index) else encoded  # which the trace has seen
    every = shared.computed(torch.arange, [places], {"device": index.device})
    return assembly.view(shared.computed(function, [index, every], {}))


def _encoding_of_lanes(assembly: Assembly, index: View, places: int) -> View:
    value = index.operand.value
    bound = assembly.places.get(value) if isinstance(value, Value) else None
    if bound is None or bound > places:
        raise NotLowered("a look-up by a number that a fit has computed")
    if places > MAX_PLACES:
        raise NotLowered(f"a look-up among {places} places, more than {MAX_PLACES}")
    every = assembly.view(assembly.shared.computed(torch.arange, [places], {}))
    given = [index.having([*index.dims, ()]), every]
    return elementwise(assembly, torch.ops.aten.eq, "eq", given, {})


def _selected(assembly: Assembly, where: View, one: Any, other: Any) -> View:
    given = [where, one, other]
    return elementwise(assembly, torch.ops.aten.where, "where", given, {})


def _added(assembly: Assembly, one: Any, other: Any) -> View:
    return elementwise(assembly, torch.ops.aten.add, "add", [one, other], {})


def _summed(assembly: Assembly, view: View, over: Sequence[int]) -> View:
    gone = [d % len(view.dims) for d in over]
    dims = [dim for i, dim in enumerate(view.dims) if i not in gone]
    return assembly.reduce("sum", [view], [view.dims[i] for i in gone], dims)


def _gather(
    assembly: Assembly, view: View, dim: int, index: Any, *, sparse_grad: bool = False
) -> View:
    """y[i, j] = x[i, index[i, j]]: Σ over k of x[i, k] where index[i, j] = k."""
    dim = dim % max(1, len(view.dims))
    _same_beside(view, index.shape, dim)
    if is_many(index, view.dims[dim]):
        return numbers_along(assembly, view, dim, index)
    hot = _encoding(assembly, index, size(view.dims[dim]))
    x = view.having([*view.dims[:dim], (), *view.dims[dim + 1 :], view.dims[dim]])
    return _summed(assembly, _selected(assembly, hot, x, 0.0), [-1])


def _same_beside(view: View, shape: Sequence[int], dim: int) -> None:
    """Check that an index has the shape of a tensor, but for one dimension."""
    beside = [places for i, places in enumerate(view.shape) if i != dim]
    if beside != [places for i, places in enumerate(shape) if i != dim]:
        raise NotLowered("a look-up by an index of another shape")


def _scatter(assembly: Assembly, view: Any, dim: int, index: Any, source: Any) -> View:
    """x, with source[i] at (i, index[i])."""
    x = assembly.view(view)
    dim = dim % max(1, len(x.dims))
    hot = _encoding(assembly, index, size(x.dims[dim]))
    _same_beside(x, index.shape, dim)
    if index.shape[dim] != 1:
        raise NotLowered("a scatter of several values along one dimension")
    if not isinstance(source, (bool, int, float)):
        source = assembly.view(source)
        if source.dims and source.shape != tuple(index.shape):
            raise NotLowered("a look-up by an index of another shape")
    placed = hot.having([*hot.dims[:dim], hot.dims[-1], *hot.dims[dim + 1 : -1]])
    return _selected(assembly, placed, source, x)


def _scatter_add(assembly: Assembly, view: Any, dim: int, index: Any, source: Any) -> View:
    """x, and Σ over j of source[i, j] at (i, k) where index[i, j] = k."""
    x, source = assembly.view(view), assembly.view(source)
    dim = dim % max(1, len(x.dims))
    _same_beside(x, index.shape, dim)
    if source.shape != tuple(index.shape):
        raise NotLowered("a look-up by an index of another shape")
    if is_many(index, x.dims[dim]):
        return _added(assembly, x, sums_along(assembly, source, dim, index, size(x.dims[dim])))
    hot = _encoding(assembly, index, size(x.dims[dim]))
    spread = _selected(assembly, hot, source.having([*source.dims, ()]), 0.0)
    total = _summed(assembly, spread, [dim])
    last = total.dims[-1]
    total = total.having([*total.dims[:dim], last, *total.dims[dim:-1]])
    return _added(assembly, x, total)


def _picked(assembly: Assembly, view: View, dim: int, index: Any, each: bool = False) -> View:
    """Rows of x along a dimension, which becomes the dimensions of the index.

    Args:
        each: whether the first dimension, of fits, is also the first of the index.
    """
    dim = dim % max(1, len(view.dims))
    if not each and is_many(index, view.dims[dim]):
        return rows_at(assembly, view, dim, index)
    hot = _encoding(assembly, index, size(view.dims[dim]))
    before, after = view.dims[:dim], view.dims[dim + 1 :]
    lead, own, last = _parts(hot, dim, each)
    x = view.having([*before, *[()] * len(own), *after, view.dims[dim]])
    hot = hot.having([*lead, *own, *[()] * len(after), last])
    return _summed(assembly, _selected(assembly, hot, x, 0.0), [-1])


def _parts(hot: View, dim: int, each: bool) -> tuple[list[Dim], list[Dim], Dim]:
    """The dimensions of an encoding beside those before `dim`, of the index, and of the places."""
    *own, last = hot.dims
    return ([own[0]], own[1:], last) if each else ([()] * dim, own, last)


def _returned(
    assembly: Assembly, rows: View, dim: int, index: Any, places: int, each: bool = False
) -> View:
    """The transpose of `_picked`: Σ of the rows that an index sends to each place."""
    if not each and is_many(index, assembly.axes.new(places)):
        return rows_to(assembly, rows, dim, index, places)
    hot = _encoding(assembly, index, places)
    lead, own, last = _parts(hot, dim, each)
    after = rows.dims[dim + len(own) :]
    hot = hot.having([*lead, *own, *[()] * len(after), last])
    spread = _selected(assembly, hot, rows.having([*rows.dims, ()]), 0.0)
    total = _summed(assembly, spread, range(dim, dim + len(own)))
    return total.having([*total.dims[:dim], total.dims[-1], *total.dims[dim:-1]])


def _index_add(
    assembly: Assembly, view: Any, dim: int, index: Any, source: Any, *, alpha: float = 1
) -> View:
    x, source = assembly.view(view), assembly.view(source)
    dim = dim % max(1, len(x.dims))
    total = _returned(assembly, source, dim, index, size(x.dims[dim]))
    given = [x, total]
    return elementwise(assembly, torch.ops.aten.add, "add", given, {"alpha": alpha})


def _embedding(assembly: Assembly, weight: Any, index: Any, *_: Any, **named: Any) -> View:
    return _picked(assembly, assembly.view(weight), 0, index)


def _embedding_back(
    assembly: Assembly, gradient: View, index: Any, places: int, padding: int, scaled: bool
) -> View:
    if padding >= 0 or scaled:
        raise NotLowered("an embedding with padding_idx or scale_grad_by_freq")
    return _returned(assembly, gradient, 0, index, places)


def _indices(
    assembly: Assembly, shape: Sequence[int], given: Sequence[Any]
) -> tuple[int, torch.Tensor, bool]:
    """What an index of several dimensions comes to.

    Returns:
        the first indexed dimension; the index of it, or of the next one; and whether it is the
        next one, where the first is indexed by 0, 1, ... in order: the pairs (i, index[i]).

    Raises:
        NotLowered: it is anything else.
    """
    dims = [i for i, index in enumerate(given) if index is not None]
    found = [given[i] for i in dims]
    if not all(
        isinstance(i, torch.Tensor) and i.dtype in (torch.int64, torch.int32) for i in found
    ):
        raise NotLowered("a look-up by what differs from fit to fit, or by truth values")
    shared = assembly.shared
    wrapped = [
        shared.computed(from_the_end, [i, shape[d]], {})
        if shared.changes(i) or bool((i < 0).any())
        else i
        for i, d in zip(found, dims, strict=True)
    ]
    if len(dims) == 1:
        return dims[0], wrapped[0], False
    if len(dims) == 2 and dims[1] == dims[0] + 1 and all(i.dim() == 1 for i in wrapped):
        count = torch.arange(shape[dims[0]], device=wrapped[0].device)
        ordered = not shared.changes(wrapped[0]) and torch.equal(wrapped[0], count)
        if ordered and len(wrapped[1]) == len(count):
            return dims[0], wrapped[1], True
    raise NotLowered("a look-up by several indices at once")


def _own_index(assembly: Assembly, view: View, given: Sequence[Any]) -> View | None:
    """The index of a stacked tensor's second dimension where each fit looks among its own numbers:
    then ``torch.vmap`` has the fits' own places (0, 1, …) as the index of the first; or None."""
    if len(given) != 2 or not isinstance(given[0], torch.Tensor):
        return None
    lanes, index = given
    if not isinstance(index, View) or not index.dims:
        return None
    axes = assembly.axes
    if [axes.find(axis) for axis in index.dims[0]] != [axes.find(assembly.lane)]:
        return None
    count = view.shape[0]
    if lanes.shape != (count, *[1] * (len(index.dims) - 1)):
        return None
    return index if torch.equal(lanes.flatten(), torch.arange(count)) else None


def _index(assembly: Assembly, view: View, given: Sequence[Any]) -> View:
    if (own := _own_index(assembly, view, given)) is not None:
        return _picked(assembly, view, 1, own, each=True)
    dim, index, pairs = _indices(assembly, view.shape, given)
    if not pairs:
        return _picked(assembly, view, dim, index)
    hot = _encoding(assembly, index, size(view.dims[dim + 1]))
    rest = view.dims[dim + 2 :]
    x = view.having([*view.dims[: dim + 1], *rest, view.dims[dim + 1]])
    hot = hot.having([hot.dims[0], *[()] * len(rest), hot.dims[-1]])
    return _summed(assembly, _selected(assembly, hot, x, 0.0), [-1])


def _index_put(
    assembly: Assembly, view: Any, given: Sequence[Any], values: Any, accumulate: bool = False
) -> View:
    x, source = assembly.view(view), assembly.view(values)
    if (own := _own_index(assembly, x, given)) is not None:
        if not accumulate or source.shape != (*own.shape, *x.shape[2:]):
            raise NotLowered("what is written by an index, not added")
        back = _returned(assembly, source, 1, own, size(x.dims[1]), each=True)
        return _added(assembly, x, back)
    dim, index, pairs = _indices(assembly, x.shape, given)
    if not pairs:
        if not accumulate or source.shape != (*x.shape[:dim], *index.shape, *x.shape[dim + 1 :]):
            raise NotLowered("what is written by an index, not added")
        back = _returned(assembly, source, dim, index, size(x.dims[dim]))
        return _added(assembly, x, back)
    hot = _encoding(assembly, index, size(x.dims[dim + 1]))
    rest = len(x.dims) - dim - 2
    hot = hot.having([hot.dims[0], hot.dims[-1], *[()] * rest])
    if len(source.dims) == len(x.dims) - 1:
        source = source.having([*source.dims[: dim + 1], (), *source.dims[dim + 1 :]])
    elif source.dims:
        raise NotLowered("what is written by an index, of another shape")
    if not accumulate:
        return _selected(assembly, hot, source, x)
    return _added(assembly, x, _selected(assembly, hot, source, 0.0))


LOOKED_UP: Mapping[str, Callable[..., View]] = {
    "gather": _gather,
    "scatter": _scatter,
    "scatter_add": _scatter_add,
    "index_select": _picked,
    "index_add": _index_add,
    "index": _index,
    "index_put": _index_put,
    "_unsafe_index": _index,
    "embedding": _embedding,
    "embedding_dense_backward": _embedding_back,
}
"""By name: each takes an `Assembly`, and torch's arguments."""
