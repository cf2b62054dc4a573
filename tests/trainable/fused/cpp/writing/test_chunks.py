"""Long kernels, written in several functions: the same numbers, bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from shoal.trainable.compiling import library
from shoal.trainable.fused import LANES, lower
from shoal.trainable.fused.cpp.kernel import Kernel
from shoal.trainable.fused.cpp.writing import chunks, tiles
from shoal.trainable.halt import never
from shoal.trainable.programs.tracing import traced

FITS = 83


def step(p: Any, x: Any) -> Any:
    """A long recursion, of numbers, truth values and vectors, with data; what it gives goes on."""
    state, total = p[0], p[1:].exp()
    for t in range(70):
        rising = (state > 0.1) | (total[0] < x[t])
        state = torch.where(rising, (state * x[t]).sin(), state + 0.1 * total[1])
        total = torch.stack([total[1] * 0.9 + state, (total[0] - state).tanh()])
    return (state * total).sum(), torch.cat([state[None], total])


def kernel(updates: int, fixed: int | None) -> Kernel:
    """The kernel of some of these updates."""
    x = torch.linspace(-1.0, 1.0, 70)

    def stacked(p: torch.Tensor, x: torch.Tensor) -> Any:
        return torch.vmap(step, in_dims=(0, None))(p, x)

    loops = lower(traced(stacked, [torch.zeros(LANES, 3), x]), 1, [x], fixed=fixed)
    assert len(loops.operations) > 300
    return Kernel(loops, 1, updates)


@pytest.mark.parametrize("fixed", [None, 0])
def test_a_long_kernel_has_the_numbers_of_one_function(
    fixed: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After several updates, with the same data at each or others, and of torch up to rounding."""
    p = torch.randn(FITS, 3, generator=torch.Generator().manual_seed(0))
    rows = [torch.linspace(-1.0, 1.0, 70).roll(0 if fixed is None else i) for i in range(3)]
    found = []
    for least in (100, 10**9):
        monkeypatch.setattr(chunks, "MIN_STATEMENTS", least)
        made = kernel(len(rows), fixed)
        assert ("chunk3<N>(S, B" in made.source) == (least == 100)
        built = library.functions([made], None, never, private=False)
        assert built is not None
        ((run,), _) = built
        found.append(run([p, *([] if fixed is None else rows)]))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)
    own = p
    for x in rows:
        value, own = torch.vmap(step, in_dims=(0, None))(own, x)
    assert torch.allclose(found[0][0], value, rtol=1e-3, atol=1e-5)
    assert torch.allclose(found[0][1], own, rtol=1e-3, atol=1e-5)


def of_rows(p: Any, x: Any) -> Any:
    """A recursion for each row, of a few numbers each, and what goes on."""

    def loss(p: Any) -> Any:
        state = torch.zeros(len(x), 3)
        for t in range(6):
            state = torch.tanh(state @ p[:9].view(3, 3) + x[:, t, None] * p[9:12])
            state = torch.where(state > 0.5, state.exp() - 1, state)
        return (state.sum(1) - x[:, 0]).square().mean()

    gradient, value = torch.func.grad_and_value(loss)(p)
    return value, p - 0.1 * gradient


def test_long_rows_have_the_numbers_of_short_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """One register full of fits and loops as loops, or four and loops unrolled, for any number of
    fits; and of torch up to rounding."""
    p = 0.3 * torch.randn(FITS, 12, generator=torch.Generator().manual_seed(1))
    x = torch.randn(37, 6, generator=torch.Generator().manual_seed(2))

    def stacked(p: torch.Tensor, x: torch.Tensor) -> Any:
        return torch.vmap(of_rows, in_dims=(0, None))(p, x)

    loops = lower(traced(stacked, [torch.zeros(LANES, 12), x]), 1, [x])
    assert loops.long
    monkeypatch.setattr(tiles, "MAX_HELD", 0)  # as if there were more than can be held
    found = []
    for least in (1, 10**9):
        monkeypatch.setattr(chunks, "MIN_STATEMENTS", least)
        made = Kernel(loops, 1, 3)
        assert ("some<4>" in made.source) == (least > 1)
        built = library.functions([made], None, never, private=False)
        assert built is not None
        ((run,), _) = built
        few = run([p[:5]])
        found.append(run([p]))
        for one, other in zip(few, found[-1], strict=True):
            assert torch.equal(one, other[:5])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)
    own = p
    for _ in range(3):
        value, own = torch.vmap(of_rows, in_dims=(0, None))(own, x)
    assert torch.allclose(found[0][0], value, rtol=1e-4, atol=1e-6)
    assert torch.allclose(found[0][1], own, rtol=1e-4, atol=1e-6)
