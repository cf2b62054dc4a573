"""Kernels of functions of one lane, and what torch gives one lane after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx import GraphModule

from shoal.trainable.compiling import library
from shoal.trainable.fused import LANES, FusedRun, lower
from shoal.trainable.fused.cpp.kernel import Kernel
from shoal.trainable.fused.cpp.writing.tiles import Shape
from shoal.trainable.fused.loops import Loops
from shoal.trainable.halt import never
from shoal.trainable.programs.decomposing import decomposed
from shoal.trainable.programs.tracing import traced

Lane = Callable[..., Any]
"""A function of the tensors of one lane, then of the data, which gives a tuple."""

Tensors = Sequence[torch.Tensor]


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    """Standard normal draws, in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def with_gradient(loss: Lane, count: int) -> Lane:
    """A loss of one lane and its gradient, by the first `count` arguments."""

    def both(*given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        gradient, value = torch.func.grad_and_value(loss, tuple(range(count)))(*given)
        return (value, *gradient)

    return both


def trace(function: Lane, lanes: Tensors, data: Tensors) -> GraphModule:
    """The trace of a function of one lane, stacked, with few operators."""

    def stacked(*given: torch.Tensor) -> Any:
        own, shared = given[: len(lanes)], given[len(lanes) :]
        return torch.vmap(lambda *lane: function(*lane, *shared))(*own)

    return decomposed(traced(stacked, [*lanes, *data]), len(lanes))


def loops(function: Lane, lanes: Tensors, data: Tensors, fixed: int | None = None) -> Loops:
    """The loops of a function of one lane."""
    few = trace(function, [tensor[:LANES] for tensor in lanes], data)
    return lower(few, len(lanes), data, fixed=fixed)


def loaded(lowered: Loops, *, carried: int = 0, shape: Shape | None = None) -> FusedRun:
    """Their kernel, compiled and loaded, which does one update a call."""
    made = library.functions([Kernel(lowered, carried, 1, shape)], None, never, private=False)
    assert made is not None
    ((run,), _) = made
    assert isinstance(run, FusedRun)
    return run


def same(found: Tensors, function: Lane, lanes: Tensors, data: Tensors) -> None:
    """See that what was found is what torch gives, one lane after the other."""
    every = [function(*one, *data) for one in zip(*lanes, strict=True)]
    for ours, theirs in zip(found, zip(*every, strict=True), strict=True):
        assert torch.allclose(ours, torch.stack(theirs), rtol=1e-8, atol=1e-10, equal_nan=True)


def check(function: Lane, lanes: Tensors, data: Tensors) -> None:
    """See that what the kernel gives is what torch gives."""
    same(loaded(loops(function, lanes, data))(list(lanes)), function, lanes, data)
