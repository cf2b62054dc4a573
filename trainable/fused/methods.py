"""Operations of torch that are neither views nor elementwise.

Reductions, matrix products, concatenations, and the backward operations of select and slice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from shoal.trainable.fused.assembly import Assembly
from shoal.trainable.fused.elementwise import converted, elementwise
from shoal.trainable.fused.lookups import LOOKED_UP
from shoal.trainable.fused.loops import Dim, NotLowered, Operand, Value, flat, size
from shoal.trainable.fused.views import View

Method = Callable[..., View]


def _gone(view: View, dim: Any) -> set[int]:
    """The dimensions that a reduction goes over: all, if none is named."""
    rank = len(view.dims)
    which = range(rank) if dim is None or dim == [] else [dim] if isinstance(dim, int) else dim
    return {d % rank for d in which}


def _reduced(how: str, mean: bool = False) -> Method:
    def method(
        assembly: Assembly, view: View, dim: Any = None, keepdim: bool = False, **keywords: Any
    ) -> View:
        wanted = keywords.get("dtype")
        if wanted is not None and wanted != view.dtype and wanted.is_floating_point:
            view = converted(assembly, view, wanted)
        gone = _gone(view, dim)
        dims = [d for i, d in enumerate(view.dims) if i not in gone]
        if keepdim:
            dims = [() if i in gone else d for i, d in enumerate(view.dims)]
        return assembly.reduce(how, [view], [view.dims[i] for i in sorted(gone)], dims, mean)

    return method


def _variance_and_mean(
    assembly: Assembly,
    view: View,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[View, View]:
    """Of x, with mean m over n numbers: Σ (x - m)² / (n - correction), and m."""
    aten = torch.ops.aten
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = float(unbiased)
    gone = _gone(view, dim)
    n = math.prod(size(view.dims[i]) for i in gone)
    mean = _reduced("sum", mean=True)(assembly, view, list(gone), True)
    off = elementwise(assembly, aten.sub, "sub", [view, mean], {})
    square = elementwise(assembly, aten.mul, "mul", [off, off], {})
    total = _reduced("sum")(assembly, square, list(gone), keepdim)
    share = max(0.0, n - correction)
    variance = elementwise(assembly, aten.div, "div", [total, share], {})
    if not keepdim:
        mean = mean.having([d for i, d in enumerate(mean.dims) if i not in gone])
    return variance, mean


def _variance(assembly: Assembly, view: View, *args: Any, **keywords: Any) -> View:
    return _variance_and_mean(assembly, view, *args, **keywords)[0]


def _largest(how: str) -> Callable[..., Any]:
    def method(assembly: Assembly, view: View, dim: Any = None, keepdim: bool = False) -> Any:
        if isinstance(dim, View):
            raise NotLowered("max or min of two tensors")
        found = _reduced(how)(assembly, view, dim, keepdim)
        if dim is None:
            return found
        return found, lambda: _placed(how)(assembly, view, dim, keepdim)

    return method


def _placed(how: str) -> Callable[..., View]:
    """The first place of a maximum or minimum along a dimension, or of a NaN: of all places at
    which it stands the least."""

    def method(assembly: Assembly, view: View, dim: Any = None, keepdim: bool = False) -> View:
        if dim is None:
            raise NotLowered("the place of a maximum or minimum among all numbers")
        aten, dim = torch.ops.aten, dim % len(view.dims)
        along, after = view.dims[dim], len(view.dims) - 1 - dim
        best = _reduced(how)(assembly, view, dim, True)
        equal = elementwise(assembly, aten.eq, "eq", [view, best], {})
        none = elementwise(assembly, aten.isnan, "isnan", [view], {})
        there = elementwise(assembly, aten.logical_or, "logical_or", [equal, none], {})
        places = _places(assembly, along, after)
        at = elementwise(assembly, aten.where, "where", [there, places, size(along)], {})
        place = _reduced("min")(assembly, at, dim, keepdim)
        if isinstance(place.operand.value, Value):
            assembly.places[place.operand.value] = size(along)
        return place

    return method


def _places(assembly: Assembly, along: Dim, after: int) -> View:
    """0, 1, … along a dimension, with so many dimensions after it."""
    sizes = [axis.size for axis in along]
    numbers = assembly.shared.computed(torch.arange, [size(along)], {})
    view = assembly.view(assembly.shared.computed(torch.reshape, [numbers, sizes], {}))
    return view.having([flat(view.dims), *[()] * after])


def _copied(assembly: Assembly, into: Any, view: Any, non_blocking: bool = False) -> View:
    """What is left in a tensor that another one is copied to."""
    given = [assembly.view(into), assembly.view(view)]
    (_, view), dims = assembly.views.lined_up(given)
    return converted(assembly, view.having(dims), given[0].dtype)


def _filled(assembly: Assembly, into: View, number: Any) -> View:
    return _copied(assembly, into, number)


def _product(assembly: Assembly, a: Any, b: Any) -> View:
    """A product of vectors or matrices, or of stacks of them."""
    axes = assembly.axes
    left, right = assembly.view(a), assembly.view(b)
    rows = {axes.find(axis) for axis in flat(left.dims[-2:-1])}
    if len(right.dims) > 1 and any(axes.find(axis) in rows for axis in right.dims[-1]):
        right = assembly.views.renamed(right, -1)
    inner = -2 if len(right.dims) > 1 else -1
    if not assembly.views.may_be_one(left.dims[-1], right.dims[inner]):
        left = assembly.views.renamed(left, -1)
        right = assembly.views.renamed(right, inner)
    x, y = list(left.dims), list(right.dims)
    k = axes.unify(x[-1], y[-2] if len(y) > 1 else y[-1])
    dims: list[Dim] = [axes.unify(x[0], y[0])] if len(x) == 3 else []
    dims += [*x[-2:-1], *(y[-1:] if len(y) > 1 else [])]
    return assembly.reduce("sum", [left, right], [k], dims)


def _added_product(
    assembly: Assembly, c: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1
) -> View:
    aten = torch.ops.aten
    product = _product(assembly, a, b)
    scaled = elementwise(assembly, aten.mul, "mul", [assembly.view(c), beta], {})
    return elementwise(assembly, aten.add, "add", [scaled, product], {"alpha": alpha})


def _cat(assembly: Assembly, parts: Sequence[Any], dim: int = 0) -> View:
    views = [assembly.view(part) for part in parts]
    dim %= len(views[0].dims)
    if any(len(view.dims[dim]) > 1 for view in views):
        raise NotLowered("a concatenation along a dimension that a reshape has merged")
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
    return _beside_zeros(assembly, whole, shape[dim], dim, index % shape[dim])


def _sliced_back(
    assembly: Assembly, view: View, shape: Sequence[int], dim: int, start: int, end: int, step: int
) -> View:
    if step != 1:
        raise NotLowered("a slice with steps")
    dim %= len(shape)
    first, _, _ = slice(start, end).indices(shape[dim])
    return _beside_zeros(assembly, view, shape[dim], dim, first)


def _beside_zeros(assembly: Assembly, view: View, places: int, dim: int, first: int) -> View:
    """The view with zeros before and after it along a dimension."""
    if len(view.dims[dim]) > 1:
        raise NotLowered("a concatenation along a dimension that a reshape has merged")
    before, after = [
        replace(
            view,
            operand=Operand(0.0),
            dims=(*view.dims[:dim], assembly.axes.new(count), *view.dims[dim + 1 :]),
        )
        for count in (first, places - first - size(view.dims[dim]))
    ]
    left = places - first - size(view.dims[dim])
    parts = [*([before] if first else []), view, *([after] if left else [])]
    return assembly.join(parts, [part.dims[dim] for part in parts], dim)


METHODS: Mapping[str, Callable[..., Any]] = {
    "_to_copy": converted,
    "sum": _reduced("sum"),
    "mean": _reduced("sum", mean=True),
    "var": _variance,
    "var_mean": _variance_and_mean,
    "amax": _reduced("max"),
    "amin": _reduced("min"),
    "max": _largest("max"),
    "min": _largest("min"),
    "argmax": _placed("max"),
    "argmin": _placed("min"),
    "copy": _copied,
    "fill": _filled,
    **dict.fromkeys(("mm", "mv", "bmm", "dot"), _product),
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), _added_product),
    "cat": _cat,
    "stack": _stack,
    "select_backward": _selected_back,
    "slice_backward": _sliced_back,
    **LOOKED_UP,
}
"""By name: each takes an `Assembly`, and torch's arguments."""
