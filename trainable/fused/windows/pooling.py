"""Pooling, the mean or the maximum of each window, and its gradients.

The gradients are those of windows that lie side by side: then each number is in one of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from shoal.trainable.fused.loops import Dim, NotLowered, flat
from shoal.trainable.fused.operations import (
    Assembly,
    Opaque,
    View,
    beside_zeros,
    elementwise,
    spread,
)
from shoal.trainable.fused.windows.windows import of_each, seen


def _lengths(kernel: Any, stride: Any, padding: Any) -> tuple[list[int], list[int]]:
    """The lengths of a window along two dimensions, and the strides."""
    if any(of_each(padding, 2)):
        raise NotLowered("pooling with padding")
    lengths = of_each(kernel, 2)
    return lengths, of_each(stride, 2) if stride else lengths


def _pooled(
    assembly: Assembly, how: str, x: View, lengths: Sequence[int], strides: Sequence[int]
) -> View:
    within = [assembly.axes.new(length) for length in lengths]
    through = seen(assembly, x, within, strides, [1, 1])
    if not flat(within):
        return through
    return assembly.reduce(how, [through], within, through.dims, mean=how == "sum")


def _average(
    assembly: Assembly,
    x: Any,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> View:
    if ceil_mode or divisor_override is not None:
        raise NotLowered("pooling with ceil_mode or divisor_override")
    return _pooled(assembly, "sum", assembly.view(x), *_lengths(kernel, stride, padding))


def _average_back(
    assembly: Assembly,
    gradient: Any,
    x: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> View:
    if divisor_override is not None:
        raise NotLowered("pooling with divisor_override")
    lengths = _side_by_side(*_lengths(kernel, stride, padding))
    wide = _spread(assembly, assembly.view(gradient), lengths)
    made = elementwise(assembly, torch.ops.aten.div, "div", [wide, math.prod(lengths)], {})
    return _with_rest(assembly, made, x.shape)


def _side_by_side(lengths: Sequence[int], strides: Sequence[int]) -> Sequence[int]:
    """The lengths of windows, if these lie side by side.

    Raises:
        NotLowered: they do not.
    """
    if list(lengths) != list(strides):
        raise NotLowered("the gradient of pooling whose windows overlap or leave gaps")
    return lengths


def _within_windows(assembly: Assembly, view: View, lengths: Sequence[int]) -> View:
    """The places of a tensor that are in a window: without the rest, which is less than one."""
    for dim, length in enumerate(lengths, len(view.dims) - 2):
        view = assembly.views.slice(view, dim, 0, view.shape[dim] // length * length)
    return view


def _with_rest(assembly: Assembly, view: View, shape: Sequence[int]) -> View:
    """The gradient of all of a tensor: 0 of the rest."""
    for dim in (-2, -1):
        at = dim % len(view.dims)
        view = beside_zeros(assembly, view, shape[dim], at, 0)
    return view


def _spread(assembly: Assembly, view: View, lengths: Sequence[int]) -> View:
    """What there is of each window, at each of its places."""
    for dim, each in enumerate(lengths, len(view.dims) - 2):
        view = spread(assembly, view, dim, each)
    return view


def _largest(
    assembly: Assembly,
    x: Any,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> tuple[View, Opaque]:
    if ceil_mode or any(each != 1 for each in of_each(dilation, 2)):
        raise NotLowered("pooling with ceil_mode or dilation")
    view = assembly.view(x)
    return _pooled(assembly, "max", view, *_lengths(kernel, stride, padding)), Opaque(view)


def _largest_back(
    assembly: Assembly,
    gradient: Any,
    x: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    indices: Any,
) -> View:
    """The gradient of a window goes to the first of its largest numbers."""
    aten, view = torch.ops.aten, assembly.view(x)
    origin = assembly.origin(view)
    if not isinstance(indices, Opaque) or assembly.origin(indices.source) is not origin:
        raise NotLowered("the gradient of pooling at other places than those of the maxima")
    shape, lengths = view.shape, _side_by_side(*_lengths(kernel, stride, padding))
    view = _within_windows(assembly, view, lengths)
    within: list[Dim] = [assembly.axes.new(length) for length in lengths]
    through = seen(assembly, view, within, lengths, [1, 1])
    best = _pooled(assembly, "max", view, lengths, lengths)
    inside = through.having([*through.dims, *within])
    best = best.having([*best.dims, (), ()])
    equal = elementwise(assembly, aten.eq, "eq", [inside, best], {})
    none = elementwise(assembly, aten.isnan, "isnan", [inside], {})
    there = elementwise(assembly, aten.logical_or, "logical_or", [equal, none], {})
    count = math.prod(lengths)
    numbers = assembly.shared.computed(torch.arange, [count], {})
    numbers = assembly.shared.computed(torch.reshape, [numbers, list(lengths)], {})
    at = elementwise(assembly, aten.where, "where", [there, assembly.view(numbers), count], {})
    first = assembly.reduce("min", [at], at.dims[-2:], at.dims[:-2])
    own = assembly.shared.computed(torch.ops.aten.repeat, [numbers, _times(view, lengths)], {})
    hit = elementwise(
        assembly, aten.eq, "eq", [_spread(assembly, first, lengths), assembly.view(own)], {}
    )
    wide = _spread(assembly, assembly.view(gradient), lengths)
    made = elementwise(assembly, aten.where, "where", [hit, wide, 0.0], {})
    return _with_rest(assembly, made, shape)


def _times(view: View, lengths: Sequence[int]) -> list[int]:
    """How many windows there are along each of the last dimensions."""
    return [places // length for places, length in zip(view.shape[-2:], lengths, strict=True)]


POOLING: Mapping[str, Callable[..., Any]] = {
    "avg_pool2d": _average,
    "avg_pool2d_backward": _average_back,
    "max_pool2d_with_indices": _largest,
    "max_pool2d_with_indices_backward": _largest_back,
}
"""By name: each takes an `Assembly`, and torch's arguments."""
