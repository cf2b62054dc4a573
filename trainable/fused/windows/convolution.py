"""Convolutions and their gradients, as sums of products over windows.

    y[n, o, t] = Σ over c, k of x[n, c, t stride + k dilation - padding] w[o, c, k]

``torch.vmap`` has the weights of all fits as so many channels, o = (fit, channel). Where x is of
fits too, the channels are in groups, one for each fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from shoal.trainable.fused.loops import Axes, Dim, Index, NotLowered, flat, mapped, size
from shoal.trainable.fused.operations import Assembly, View, beside_zeros, elementwise, with_gaps
from shoal.trainable.fused.windows.windows import of_each, seen


@dataclass(frozen=True)
class _Form:
    """How a convolution goes along each of its dimensions."""

    stride: list[int]
    padding: list[int]
    dilation: list[int]
    groups: int


def _form(
    count: int, stride: Any, padding: Any, dilation: Any, transposed: bool, groups: int
) -> _Form:
    if transposed:
        raise NotLowered("a transposed convolution")
    stride, padding, dilation = (of_each(each, count) for each in (stride, padding, dilation))
    return _Form(stride, padding, dilation, groups)


def _convolution(
    assembly: Assembly,
    x: Any,
    w: Any,
    bias: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> View:
    form = _form(len(x.shape) - 2, stride, padding, dilation, transposed, groups)
    made = _of_windows(assembly, _padded(assembly, x, form.padding), assembly.view(w), form)
    if bias is None:
        return made
    bias = assembly.view(bias)
    bias = bias.having([bias.dims[0], *[()] * len(form.stride)])
    return elementwise(assembly, torch.ops.aten.add, "add", [made, bias], {})


def _of_windows(assembly: Assembly, x: View, w: View, form: _Form) -> View:
    """Σ over c, k of x[n, c, t stride + k dilation] w[o, c, k]."""
    axes = assembly.axes
    own, out = _grouped(w.dims[0], form.groups)
    shared, inner = _grouped(x.dims[1], form.groups)
    group = axes.unify(shared, own)
    x, inner = _apart(axes, x, inner, not assembly.views.apart(inner, w.dims[1]))
    inner = axes.unify(w.dims[1], inner)
    through = seen(assembly, x, w.dims[2:], form.stride, form.dilation)
    over = [inner, *w.dims[2:]]
    dims = [x.dims[0], (*group, *out), *through.dims[2:]]
    return _summed(assembly, [w, through], over, dims)


def _grouped(dim: Dim, groups: int) -> tuple[Dim, Dim]:
    """A dimension of channels as that of the groups, and that within each.

    Raises:
        NotLowered: the groups are no axes of their own.
    """
    if groups == 1:
        return (), dim
    for count in range(1, len(dim) + 1):
        if size(dim[:count]) == groups:
            return dim[:count], dim[count:]
    raise NotLowered("a convolution in groups of channels")


def _apart(axes: Axes, view: View, channels: Dim, already: bool) -> tuple[View, Dim]:
    """A view and its channels within groups, as an axis of their own; or as they are."""
    if already or len(channels) != 1:
        return view, channels
    (to,) = axes.new(channels[0].size)
    places = {own: Index.along(to) for own in view.operand.axes if axes.are_one(own, channels[0])}
    return replace(view, operand=view.operand.moved(places)), (to,)


def _padded(assembly: Assembly, given: Any, padding: Sequence[int]) -> View:
    """A tensor with zeros before and after its numbers along its last dimensions."""
    if isinstance(given, torch.Tensor) and any(padding):
        around = [places for each in reversed(padding) for places in (each, each)]
        pad = torch.ops.aten.constant_pad_nd.default
        given = assembly.shared.computed(pad, [given, around, 0.0], {})
        return assembly.view(given)
    view = assembly.view(given)
    for dim, each in enumerate(padding, len(view.dims) - len(padding)):
        view = beside_zeros(assembly, view, view.shape[dim] + 2 * each, dim, each)
    return view


def _summed(
    assembly: Assembly, views: Sequence[View], over: Sequence[Dim], dims: Sequence[Dim]
) -> View:
    """Σ of the product of views, or the product alone."""
    if not flat(over):
        return assembly.map(mapped("mul", views, {})[0], views, dims)
    return assembly.reduce("sum", views, over, dims)


def _convolution_back(
    assembly: Assembly,
    gradient: Any,
    x: Any,
    w: Any,
    bias_sizes: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    wanted: Sequence[bool],
) -> tuple[Callable[[], View], ...]:
    form = _form(len(x.shape) - 2, stride, padding, dilation, transposed, groups)
    g = assembly.view(gradient)
    return (
        lambda: _of_input(assembly, g, assembly.view(w), x.shape[2:], form),
        lambda: _of_weights(assembly, g, _padded(assembly, x, form.padding), w.shape[2:], form),
        lambda: assembly.reduce("sum", [g], [g.dims[0], *g.dims[2:]], [g.dims[1]]),
    )


def _of_weights(assembly: Assembly, g: View, x: View, lengths: Sequence[int], form: _Form) -> View:
    """Σ over n, t of g[n, o, t] x[n, c, t stride + k dilation]."""
    axes = assembly.axes
    own, out = _grouped(g.dims[1], form.groups)
    shared, inner = _grouped(x.dims[1], form.groups)
    group = axes.unify(shared, own)
    x, inner = _apart(axes, x, inner, not any(axes.are_one(a, b) for a in inner for b in out))
    within = [axes.new(length) for length in lengths]
    through = seen(assembly, x, within, form.stride, form.dilation)
    pairs = [(x.dims[0], g.dims[0]), *zip(through.dims[2:], g.dims[2:], strict=True)]
    over = [axes.unify(one, other) for one, other in pairs]
    return _summed(assembly, [g, through], over, [(*group, *out), inner, *within])


def _of_input(assembly: Assembly, g: View, w: View, lengths: Sequence[int], form: _Form) -> View:
    """Σ over o, k of g[n, o, (u + padding - k dilation) / stride] w[o, c, k], g being 0 outside and
    between.

    Args:
        lengths: of the input.
    """
    axes = assembly.axes
    forms = zip(form.padding, form.dilation, form.stride, strict=True)
    for dim, (padding, dilation, stride) in enumerate(forms, 2):
        length = size(w.dims[dim])
        before = dilation * (length - 1) - padding
        if before < 0:
            raise NotLowered("a convolution that is padded by more than its windows")
        if stride > 1:
            g = with_gaps(assembly, g, dim, stride, (g.shape[dim] - 1) * stride + 1)
        g = beside_zeros(assembly, g, before + lengths[dim - 2] + padding, dim, before)
        if w.dims[dim]:
            to = axes.new(length)
            w = assembly.views.placed(w, dim, Index.along(to[0], length - 1, -1), to)
    own, out = _grouped(w.dims[0], form.groups)
    shared, also = _grouped(g.dims[1], form.groups)
    group = axes.unify(shared, own)
    g, also = _apart(axes, g, also, not assembly.views.apart(also, out))
    out = axes.unify(out, also)
    through = seen(assembly, g, w.dims[2:], [1] * len(form.stride), form.dilation)
    dims = [g.dims[0], (*group, *w.dims[1]), *through.dims[2:]]
    return _summed(assembly, [w, through], [out, *w.dims[2:]], dims)


CONVOLUTIONS: Mapping[str, Callable[..., Any]] = {
    "convolution": _convolution,
    "convolution_backward": _convolution_back,
}
"""By name: each takes an `Assembly`, and torch's arguments."""
