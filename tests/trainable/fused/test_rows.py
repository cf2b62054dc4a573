"""Rows by their number: embeddings and factors of many places, beside torch one lane at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812  # as torch's documentation has it

from shoal.trainable.compiling import library
from shoal.trainable.fused import LANES as FEW
from shoal.trainable.fused import FusedRun, lower
from shoal.trainable.fused.cpp.kernel import Kernel
from shoal.trainable.fused.cpp.writing.tiles import Shape
from shoal.trainable.fused.loops import Scatter
from shoal.trainable.programs.decomposing import decomposed
from shoal.trainable.programs.program import never
from shoal.trainable.programs.tracing import traced

Lane = Callable[..., Any]

LANES, PLACES, ROWS = 21, 50, 150


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    """Standard normal draws, in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def places(*shape: int, seed: int = 0) -> torch.Tensor:
    """Places, many of them more than once, some never."""
    return torch.randint(0, PLACES, shape, generator=torch.Generator().manual_seed(seed))


def run_of(
    function: Lane,
    lanes: Sequence[torch.Tensor],
    data: Sequence[torch.Tensor],
    *,
    carried: int = 0,
    fixed: int | None = None,
    tiled: bool | None = None,
) -> FusedRun:
    """The kernel of a function of one lane, loaded; it sums by places at the end."""

    def stacked(*given: torch.Tensor) -> Any:
        own, shared = given[: len(lanes)], given[len(lanes) :]
        return torch.vmap(lambda *lane: function(*lane, *shared))(*own)

    few = [tensor[:FEW] for tensor in lanes]
    graph = decomposed(traced(stacked, [*few, *data]), len(lanes))
    loops = lower(graph, len(lanes), data, fixed=fixed)
    assert any(isinstance(operation, Scatter) for operation in loops.operations)
    shape = None if tiled is None else Shape(registers=1, tiled=tiled)
    built = library.functions([Kernel(loops, carried, 1, shape)], None, never, private=False)
    assert built is not None
    ((run,), _) = built
    assert isinstance(run, FusedRun)
    return run


def with_gradient(loss: Lane, count: int) -> Lane:
    """A loss of one lane and its gradient, by the first `count` arguments."""

    def both(*given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        gradient, value = torch.func.grad_and_value(loss, tuple(range(count)))(*given)
        return (value, *gradient)

    return both


LOSSES: Mapping[str, tuple[Lane, tuple[int, ...]]] = {
    "an embedding": (
        lambda w, i, y: (F.embedding(i, w).tanh().sum(1) - y).square().mean(),
        (50, 3),
    ),
    "chosen in each row": (
        lambda w, i, y: (w.expand(150, 50).sin().gather(1, i[:, None])[:, 0] * y).mean(),
        (50,),
    ),
    "rows picked twice": (lambda w, i, y: (w[i] * w[i.flip(0)]).sum(1).sin().mean(), (50, 4)),
    "of vectors": (lambda w, i, y: (w.exp()[i] * y).sum(), (50,)),
    "columns": (lambda w, i, y: (w.index_select(1, i).sin() * y).mean(), (2, 50)),
    "two tables": (
        lambda w, i, y: ((w[i] * w.flip(0)[(i + 7) % 50]).sum(1) - y).square().mean(),
        (50, 3),
    ),
    "sums of places": (
        lambda w, i, y: (torch.zeros(50, dtype=w.dtype).index_add(0, i, y * w[0]) * w).exp().mean(),
        (50,),
    ),
    "rows of an embedding, each of several": (
        lambda w, i, y: (w[i.reshape(-1, 3)].mean(1).sum(1) - y[:50]).square().mean(),
        (50, 2),
    ),
    "negative places": (lambda w, i, y: (w[i - 50].sum(1) * y).mean(), (50, 2)),
}


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_look_ups_and_their_gradients_are_those_of_torch(name: str, tiled: bool) -> None:
    """Row by row, and several at a time."""
    loss, shape = LOSSES[name]
    function, lanes = with_gradient(loss, 1), [numbers(LANES, *shape)]
    data = [places(ROWS), numbers(ROWS, seed=1)]
    found = run_of(function, lanes, data, tiled=tiled)([*lanes])
    every = [function(*one, *data) for one in zip(*lanes, strict=True)]
    for ours, theirs in zip(found, zip(*every, strict=True), strict=True):
        assert torch.allclose(ours, torch.stack(theirs), rtol=1e-9, atol=1e-11)


def test_each_batch_has_its_own_places() -> None:
    """One that is not there is refused as torch does it, and nothing is read."""

    def step(w: Any, i: Any, y: Any) -> Any:
        gradient = torch.func.grad(lambda w: ((w[i]).sum(1) - y).square().mean())(w)
        return (w - 0.1 * gradient,)

    lanes = [numbers(LANES, 50, 3)]
    batches = [[places(32, seed=s) - 50 * (s % 2), numbers(32, seed=s)] for s in range(4)]
    run = run_of(step, lanes, batches[0], carried=1, fixed=0)
    (found,) = run.over(lanes, [run.data_of(batch) for batch in batches])
    for lane in range(LANES):
        own = lanes[0][lane]
        for batch in batches:
            (own,) = step(own, *batch)
        assert torch.allclose(found[lane], own, rtol=1e-9)
    for wrong in (50, -51):
        index = batches[0][0].clone()
        index[5] = wrong
        with pytest.raises(IndexError, match="out of bounds for 50 places"):
            run.data_of([index, batches[0][1]])
