"""exp of kernels, beside torch's in float64."""

from __future__ import annotations

import math

import pytest
import torch
from beside_torch import loaded, loops

from shoal.trainable.compiling import compiler
from shoal.trainable.fused.cpp.writing.tiles import Shape

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")

SPECIAL = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-45, -1e-310, 5e-324, 3e38, -3e38, 1e300)
"""No numbers, the largest and the smallest of either precision."""

NEAR = {
    torch.float32: (88.7228, -87.3365, -103.9721),
    torch.float64: (709.7827, -708.3964, -745.1332),
}
"""Where it is infinite from, no normal number any more, and 0."""

WIDEST = {torch.float32: 110.0, torch.float64: 760.0}


@pytest.mark.parametrize("registers", [1, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exp_is_right_to_the_last_digit_or_so(dtype: torch.dtype, registers: int) -> None:
    """Infinite, 0 and not a number where torch's is; a number of 64 fits, and of 4, is the same."""
    generator = torch.Generator().manual_seed(0)
    wide = (torch.rand(200_000, generator=generator, dtype=dtype) * 2 - 1) * WIDEST[dtype]
    small = torch.randn(50_000, generator=generator, dtype=dtype) * 0.1
    edges = [place + 1e-3 * step for place in NEAR[dtype] for step in range(-30, 31)]
    x = torch.cat([torch.tensor([*SPECIAL, *edges], dtype=dtype), wide, small])
    run = loaded(loops(lambda x: (x.exp(),), [x], []), shape=Shape(registers))
    (found,) = run([x])
    exact, finfo = x.double().exp(), torch.finfo(dtype)
    same = (found == exact.to(dtype)) | (found.isnan() & exact.isnan())
    apart = (
        found.double() - exact
    ).abs() <= 1.1 * finfo.eps * exact + finfo.smallest_normal * finfo.eps
    assert x[~(same | apart)].tolist() == []
    assert found[:3].tolist()[1:] == [math.inf, 0.0]
    few = torch.cat([run([x[i : i + 4]])[0] for i in range(0, 400, 4)])
    assert torch.equal(few.nan_to_num(), found[:400].nan_to_num())


@pytest.mark.parametrize("function", [torch.exp, torch.sigmoid])
def test_of_several_rows_it_has_the_same_digits(function: object) -> None:
    """Where it is done for a tile of rows at once."""
    assert callable(function)
    w, x = torch.randn(40, 16), torch.randn(83, 16) * 3

    def loss(w: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (function(x @ w).sum(), function(w).sum())

    made = loops(loss, [w], [x])
    one, several = (loaded(made, shape=Shape(1, tiled))([w]) for tiled in (False, True))
    assert all(map(torch.equal, one, several))
