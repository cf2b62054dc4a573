"""Parts of a tensor that slide along its last dimensions.

Along each of these, place t of the result sees the places t stride + k dilation of the tensor,
k = 0, 1, … within a window. Nothing is copied for it: it is another way to find an operand's
numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shoal.trainable.fused.loops import Dim, Index, NotLowered, size
from shoal.trainable.fused.operations import Assembly, View


def of_each(given: Any, count: int) -> list[int]:
    """An argument that is one number for all dimensions, or one for each."""
    each = [given] if isinstance(given, int) else list(given)
    return each * count if len(each) == 1 else each


def seen(
    assembly: Assembly,
    view: View,
    within: Sequence[Dim],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> View:
    """Return a tensor through windows: its last dimensions are new ones, a place for each window.

    Args:
        within: the places in a window, one dimension for each of the tensor's last ones.

    Raises:
        NotLowered: a window is longer than the tensor, or goes along merged dimensions.
    """
    first = len(view.dims) - len(within)
    for dim, (inside, stride, dilation) in enumerate(
        zip(within, strides, dilations, strict=True), first
    ):
        left = view.shape[dim] - dilation * (size(inside) - 1)
        if left < 1 or len(inside) > 1:
            raise NotLowered("a window that is longer than what it slides along")
        to = assembly.axes.new((left - 1) // stride + 1)
        terms = [*((axis, stride) for axis in to), *((axis, dilation) for axis in inside)]
        view = assembly.views.placed(view, dim, Index(tuple(terms)), to)
    return view
