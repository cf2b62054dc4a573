"""Rows of fits in memory and lanes in registers: what is loaded and stored is every number."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from beside_torch import loaded, loops

from shoal.trainable.compiling import compiler
from shoal.trainable.fused.cpp.writing.tiles import Shape

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")

SIZES = (1, 3, 7, 8, 9, 15, 16, 17, 24, 31, 33, 50)
"""Of what a fit has: fewer numbers than a register of either precision has, as many, and more."""

FITS = (1, 3, 8, 15, 16, 17, 33, 70)
"""Registers that are full, and that are not."""


@pytest.mark.parametrize("registers", [1, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_number_of_every_fit_comes_back(dtype: torch.dtype, registers: int) -> None:
    """Whatever part of a register is left over."""

    def exchanged(*given: torch.Tensor) -> tuple[Any, ...]:
        return (given[-1].flip(0), *(-tensor for tensor in given[:-1]))

    every = [torch.randn(max(FITS), size, dtype=dtype) for size in SIZES]
    run = loaded(loops(exchanged, every, []), shape=Shape(registers))
    for fits in FITS:
        given = [tensor[:fits].contiguous() for tensor in every]
        last, *others = run(given)
        assert torch.equal(last, given[-1].flip(1))
        for made, tensor in zip(others, given[:-1], strict=True):
            assert torch.equal(made, -tensor)
