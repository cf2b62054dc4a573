"""Operations of torch that are neither views nor elementwise.

Reductions and matrix products; with those of other modules in one table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from shoal.trainable.fused.loops import KEPT, Dim, NotLowered, Value, flat, size
from shoal.trainable.fused.operations.assembly import Assembly
from shoal.trainable.fused.operations.elementwise import converted, elementwise
from shoal.trainable.fused.operations.joining import JOINED
from shoal.trainable.fused.operations.lookups import LOOKED_UP
from shoal.trainable.fused.operations.view import Opaque, View

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


def _holds(how: str) -> Method:
    """Whether any number is not 0, or none is: the largest, or the smallest, of truth values."""

    def method(assembly: Assembly, view: View, dim: Any = None, keepdim: bool = False) -> View:
        aten = torch.ops.aten
        truth = elementwise(assembly, aten.ne, "ne", [view, 0], {})
        found = _reduced(how)(assembly, converted(assembly, truth, assembly.dtype), dim, keepdim)
        return elementwise(assembly, aten.ne, "ne", [found, 0], {})

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
    if len(right.dims) > 1:
        walked = [n for n, axis in enumerate(right.dims[-1]) if axes.find(axis) in rows]
        right = assembly.views.renamed(right, -1, walked)
    inner = -2 if len(right.dims) > 1 else -1
    apart = assembly.views.apart(left.dims[-1], right.dims[inner])
    left = assembly.views.renamed(left, -1, apart)
    right = assembly.views.renamed(right, inner, apart)
    left = assembly.views.split(left, -1, right.dims[inner])
    right = assembly.views.split(right, inner, left.dims[-1])
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


def _running(assembly: Assembly, view: View, dim: int, *, dtype: torch.dtype | None = None) -> View:
    if dtype is not None and dtype != view.dtype:
        view = converted(assembly, view, dtype)
    return assembly.scan(view, dim % len(view.dims)) if view.dims else view


def _factor(
    assembly: Assembly, matrix: Any, *, upper: bool = False, check_errors: bool = False
) -> tuple[View, Callable[[], Opaque]]:
    """The Cholesky factor of a matrix, and whether there is none: then its last pivot is NaN."""
    made = assembly.cholesky(assembly.view(matrix))

    def failed() -> Opaque:
        last = assembly.views.select(assembly.views.select(made, -1, -1), -1, -1)
        return Opaque(elementwise(assembly, torch.ops.aten.isnan, "isnan", [last], {}))

    return _turned(made) if upper else made, failed


def _turned(view: View) -> View:
    """The view with its last two dimensions the other way round."""
    *first, one, other = view.dims
    return view.having([*first, other, one])


def _solved(
    assembly: Assembly,
    matrix: Any,
    right: Any,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
) -> View:
    """X of a x = b; or of x a = b, which is aᵀ xᵀ = bᵀ."""
    a, b = assembly.view(matrix), assembly.view(right)
    missing = len(a.dims) - len(b.dims)
    if missing > 0:
        b = b.having([*a.dims[:missing], *b.dims])
    if left:
        return assembly.solve(a, b, len(b.dims) - 2, upper=upper, unit=unitriangular)
    return assembly.solve(_turned(a), b, len(b.dims) - 1, upper=not upper, unit=unitriangular)


def _kept(
    assembly: Assembly, low: Any, high: Any, step: Any, element: Any, call: int, threshold: int
) -> View:
    """Which elements dropout keeps, by hashes of whole numbers.

    Raises:
        NotLowered: there are more of them than such numbers are exact.
    """
    places = assembly.view(element)
    if math.prod(places.shape) > 1 / torch.finfo(assembly.dtype).eps:
        raise NotLowered("dropout of more elements than the dtype counts exactly")
    numbers = [call, *divmod(threshold, 1 << 16)]
    views = [*map(assembly.view, (low, high, step)), places, *map(assembly.view, numbers)]
    views, dims = assembly.views.lined_up(views)
    return assembly.map(KEPT, views, dims)


METHODS: Mapping[str, Callable[..., Any]] = {
    "_to_copy": converted,
    "sum": _reduced("sum"),
    "mean": _reduced("sum", mean=True),
    "var": _variance,
    "var_mean": _variance_and_mean,
    "amax": _reduced("max"),
    "amin": _reduced("min"),
    "any": _holds("max"),
    "all": _holds("min"),
    "max": _largest("max"),
    "min": _largest("min"),
    "argmax": _placed("max"),
    "argmin": _placed("min"),
    "cumsum": _running,
    "linalg_cholesky_ex": _factor,
    "linalg_solve_triangular": _solved,
    "copy": _copied,
    "fill": _filled,
    "kept": _kept,
    **dict.fromkeys(("mm", "mv", "bmm", "dot"), _product),
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), _added_product),
    **JOINED,
    **LOOKED_UP,
}
"""By name: each takes an `Assembly`, and torch's arguments."""
