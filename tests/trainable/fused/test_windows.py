"""Convolutions, pooling, running sums, diagonals and places with strides, beside torch's own."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from beside_torch import Lane, check, loops, numbers, with_gradient
from torch.nn import functional as F  # noqa: N812  # as torch's documentation has it

from shoal.trainable.fused.loops.operators import NotLowered

LANES = 21
"""More than a register full, and a bit."""


def layers(of: int, chance: random.Random) -> tuple[Lane, list[tuple[int, ...]], tuple[int, ...]]:
    """Two convolutions and perhaps pooling, of random sizes, over data of `of` dimensions.

    Returns:
        the loss; the shapes of its parameters; the shape of the rows.
    """
    convolve = {1: F.conv1d, 2: F.conv2d}[of]
    channels = [chance.choice((1, 2, 3)) for _ in range(3)]
    windows = [tuple(chance.choice((1, 2, 3)) for _ in range(of)) for _ in range(2)]
    padding = [chance.choice((0, 1)) for _ in range(2)]
    padding[1] = min(padding[1], min(windows[1]) - 1)
    dilation, stride = chance.choice((1, 2)), chance.choice((1, 1, 2))
    second = chance.choice((1, 2, 3))
    if padding[1] and dilation > 1:
        padding[1] = 1
    pool = chance.choice(("no", "mean", "largest"))
    length = [chance.choice((8, 12)) for _ in range(of)]

    def loss(a: Any, b: Any, c: Any, x: Any) -> Any:
        h = convolve(x, a, c, stride=stride, padding=padding[0]).tanh()
        h = convolve(h, b, stride=second, padding=padding[1], dilation=dilation)
        if pool != "no" and min(h.shape[2:]) > 1:
            pooled = {1: (F.avg_pool1d, F.max_pool1d), 2: (F.avg_pool2d, F.max_pool2d)}[of]
            h = pooled[pool == "largest"](h, 2)
        weights = torch.cos(torch.arange(h[0].numel(), dtype=h.dtype))
        return (h.flatten(1) * weights).sin().mean()

    shapes = [
        (channels[1], channels[0], *windows[0]),
        (channels[2], channels[1], *windows[1]),
        (channels[1],),
    ]
    return loss, shapes, (20, channels[0], *length)


@pytest.mark.parametrize(("of", "seed"), list(itertools.product((1, 2), range(8))))
def test_convolutions_and_pooling_are_those_of_torch(of: int, seed: int) -> None:
    """And so are their gradients, of weights and of what the second layer takes, for random sizes,
    padding, strides and dilations, and where windows leave a rest."""
    loss, shapes, rows = layers(of, random.Random(seed))
    lanes = [numbers(LANES, *shape, seed=i) for i, shape in enumerate(shapes)]
    check(with_gradient(loss, len(lanes)), lanes, [numbers(*rows, seed=9)])


def test_a_convolution_in_groups_is_that_of_torch() -> None:
    """Groups of the user's own, of data; the fits are groups besides."""

    def loss(w: Any, x: Any) -> Any:
        return F.conv1d(x, w.reshape(2, 1, 3), groups=2).tanh().mean()

    check(with_gradient(loss, 1), [numbers(LANES, 6)], [numbers(20, 2, 9, seed=1)])


def test_the_gradient_of_a_maximum_goes_to_the_first_of_equal_ones() -> None:
    """Numbers that are cut off at 0 are equal: torch takes the first, row by row."""

    def loss(w: Any, x: Any) -> Any:
        h = F.max_pool2d((x * w).relu(), (2, 3))
        return (h * torch.arange(4.0, dtype=h.dtype).reshape(2, 2)).sum()

    check(with_gradient(loss, 1), [numbers(LANES, 4, 6)], [numbers(20, 1, 4, 6, seed=3)])


STRIDED: Mapping[str, Lane] = {
    "reversed": lambda w: (w.flip(0) * w)[1:].sum() + (w.reshape(3, 4).flip(1) ** 3).sum(),
    "reversed after a reshape": lambda w: (w.reshape(3, 4).reshape(12).flip(0) * w).sum(),
    "every second": lambda w: (w[::2] * w[1::2]).sum() + (w[1:10:4] ** 2).sum(),
    "diagonals": lambda w: (
        (m := w.reshape(3, 4)).diagonal().exp().sum()
        + m.diagonal(1).square().sum()
        + m.diagonal(-1).sin().sum()
    ),
    "on a diagonal": lambda w: (torch.diag_embed(w[:4]) @ w.reshape(4, 3)).square().sum(),
    "padded": lambda w: (
        (F.pad(w, (2, 3)) * F.pad(w, (4, 1), value=2.0)).sum()
        + (F.pad(w, (-2, 3)) * torch.arange(13.0)).sum()
    ),
    "split": lambda w: (w.reshape(3, 2, 2).sum(1) * w[:6].reshape(3, 2)).sum(),
    "merged beside single": lambda w: ((w.reshape(3, 4) * w[:4]).reshape(12) * w).sum(),
    "running sums": lambda w: (w.cumsum(0).sin() * w).sum() + w.reshape(3, 4).cumsum(0).exp().sum(),
    "running sums from the end": lambda w: (w.flip(0).cumsum(0).flip(0).sin() * w).sum(),
}


@pytest.mark.parametrize("name", STRIDED)
def test_other_places_are_those_of_torch(name: str) -> None:
    """And so are the gradients."""
    function = STRIDED[name]
    check(with_gradient(lambda w: function(w), 1), [numbers(LANES, 12)], [])


def test_running_sums_along_the_rows_are_those_of_torch() -> None:
    """Also where there are many; NaN and inf go on to the end, and not back."""
    x, y = numbers(300, 3), numbers(300)

    def loss(w: Any, x: Any, y: Any) -> Any:
        return ((x @ w).exp().cumsum(0).log() * y).sum()

    check(with_gradient(loss, 1), [numbers(LANES, 3)], [x, y])
    lanes = numbers(LANES, 40)
    lanes[0, 7], lanes[1, 9], lanes[2, 3], lanes[2, 30] = (
        torch.nan,
        torch.inf,
        torch.inf,
        -torch.inf,
    )
    check(lambda w: (w.cumsum(0),), [lanes], [])


@pytest.mark.parametrize(
    ("why", "function"),
    [
        ("a transposed convolution", lambda w, x: F.conv_transpose1d(x, w.reshape(1, 2, 3))),
        ("pooling with padding", lambda w, x: F.avg_pool1d(x * w[:1], 2, padding=1)),
        ("pooling with ceil_mode", lambda w, x: F.max_pool1d(x * w[:1], 2, ceil_mode=True)),
        (
            "of what no kernel holds",
            lambda w, x: F.max_pool1d(x * w[:1], 2, return_indices=True)[1] * w[0],
        ),
    ],
)
def test_what_is_no_loop_is_left_to_others(why: str, function: Lane) -> None:
    """With the reason."""
    with pytest.raises(NotLowered, match=why):
        loops(lambda w, x: (function(w, x).sum(),), [numbers(LANES, 6)], [numbers(20, 1, 9)])


@pytest.mark.parametrize(
    ("why", "loss"),
    [
        ("whose windows overlap or leave gaps", lambda h, w: F.max_pool1d(h, 3, stride=2)),
        ("whose windows overlap or leave gaps", lambda h, w: F.avg_pool1d(h, 2, stride=3)),
    ],
)
def test_gradients_that_are_no_loop_are_left_to_others(why: str, loss: Lane) -> None:
    """With the reason."""

    def whole(w: Any, x: Any) -> Any:
        return loss((x * w[0]).tanh(), w).square().sum()

    with pytest.raises(NotLowered, match=why):
        loops(with_gradient(whole, 1), [numbers(LANES, 6)], [numbers(20, 1, 9)])
