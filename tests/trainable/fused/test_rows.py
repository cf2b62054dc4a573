"""Rows by their number: embeddings and factors of many places, beside torch one lane at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from beside_torch import Lane, loaded, loops, numbers, same, with_gradient
from torch.nn import functional as F  # noqa: N812  # as torch's documentation has it

from shoal.trainable.fused import FusedRun
from shoal.trainable.fused.cpp.writing.tiles import Shape
from shoal.trainable.fused.loops import Scatter

LANES, PLACES, ROWS = 21, 50, 150


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

    lowered = loops(function, lanes, data, fixed)
    assert any(isinstance(operation, Scatter) for operation in lowered.operations)
    shape = None if tiled is None else Shape(registers=1, tiled=tiled)
    return loaded(lowered, carried=carried, shape=shape)


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
    same(found, function, lanes, data)


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
