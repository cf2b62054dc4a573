"""The wide and the narrow form of a kernel: a fit has the same bits in both."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch

from shoal.trainable.compiling import Code, compiler
from shoal.trainable.compiling.library import functions
from shoal.trainable.fused import LANES, lower
from shoal.trainable.fused.cpp.compiled import FLAGS
from shoal.trainable.fused.cpp.kernel import Kernel
from shoal.trainable.halt import never
from shoal.trainable.lanes import Lanes
from shoal.trainable.optimizers.registry import OPTIMIZERS
from shoal.trainable.problems.finding import find
from shoal.trainable.programs import KERNEL
from shoal.trainable.programs.program import Program
from shoal.trainable.programs.tracing import traced

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")

FITS = 36
"""More than two registers of single precision: the first of them are fitted by the wide form."""

FEW = 4
"""No more than two registers of either precision: fitted by the narrow form."""

WIDE = 32
"""Fits that the wide form has in either precision; what is left may have the narrow one."""


class TenFeatures:
    """Poisson regression whose weights are too many for registers; 17 rows to validate."""

    features = 10

    def _rows(self, n: int, seed: int) -> Any:
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn((n, self.features), generator=generator)
        return x, torch.floor(4 * torch.rand(n, generator=generator))

    def data(self) -> Any:
        return self._rows(90, 1)

    def validation(self) -> Any:
        return self._rows(17, 2)

    def initial(self, seed: int) -> Any:
        generator = torch.Generator().manual_seed(seed)
        return {"w": 0.1 * torch.randn(self.features, generator=generator), "b": torch.zeros(())}

    def loss_and_gradient(self, params: Any, data: Any, l2: Any = 0.1) -> Any:
        (x, y), w = data, params["w"]
        z = x @ w + params["b"]
        g = (torch.exp(z) - y) / y.shape[0]
        loss = (torch.exp(z) - y * z).mean() + 0.5 * l2 * (w * w).sum()
        return loss, {"w": g @ x + l2 * w, "b": g.sum()}

    def metrics(self, params: Any, rows: Any) -> Any:
        x, y = rows
        z = x @ params["w"] + params["b"]
        r = torch.exp(z) - y
        return {
            "deviance": 2.0 * (torch.xlogy(y, y) - y * z - y + torch.exp(z)).mean(),
            "squares": (r * r).mean() - z.mean() * z.mean(),
        }


class TwoProducts(TenFeatures):
    """A sum of two products of numbers along a small axis."""

    def loss_and_gradient(self, params: Any, data: Any, l2: Any = 0.1) -> Any:
        (x, _), w = data, params["w"]
        v = w * x[0] + (w * w) * x[1]
        return (v * v).sum(), {"w": 2 * v * (x[0] + 2 * w * x[1]), "b": 0 * params["b"]}


PROBLEMS: dict[str, str | type] = {
    "cubic-sine": "cubic-sine",
    "logistic": "logistic",
    "poisson": "poisson",
    "nist": "nist",
    "ten features": TenFeatures,
    "two products": TwoProducts,
}


def prepared(problem: type, optimizer: str) -> tuple[Program, list[list[torch.Tensor]], list[Code]]:
    """A program, what each of its kernels takes of fits, and these kernels."""
    made = Program(
        problem,
        optimizer=optimizer,
        shape={},
        defaults={"l2": 0.1},
        block=FITS,
        device="cpu",
        kind=KERNEL,
        unroll=3,
    )
    at = torch.arange(FITS)
    lr = torch.logspace(-6, -1, FITS, dtype=torch.float64)
    lanes = Lanes(trial=at, replicate=0 * at, seed=at, values={"lr": lr}, shape={})
    (params, state), values = made.initial(lanes, at), made.values(lanes, at)
    codes = made.codes(params, state, values)
    given = [[*params, *state, *values], [*params, *made.judged_with(state, values)]]
    return made, [*given, [*params, *values]][: len(codes)], codes


PAIRS = {
    **dict.fromkeys(product(PROBLEMS, ["adam"])),
    **dict.fromkeys(product(["ten features", "nist"], OPTIMIZERS)),
}
"""Each problem, and each optimizer with one of single and one of double precision: how a loss is
summed and how parameters are moved have nothing to do with each other."""


@pytest.mark.parametrize(
    ("problem", "optimizer"),
    [pair for pair in PAIRS if not OPTIMIZERS[pair[1]].needs_residuals or pair[0] == "nist"],
)
def test_a_fit_has_the_same_bits_beside_others_and_by_itself(problem: str, optimizer: str) -> None:
    """Several updates, the loss, and metrics of a few rows."""
    found = PROBLEMS[problem]
    with torch.no_grad():
        _, given, codes = prepared(
            found if isinstance(found, type) else find(found).load(), optimizer
        )
    made = functions(codes, None, never, private=False)
    assert made is not None
    for run, inputs in zip(made[0], given, strict=True):
        wide = run(inputs)
        assert all(math.isfinite(float(tensor[0].sum())) for tensor in wide)
        for first in range(0, WIDE, FEW):
            narrow = run([tensor[first : first + FEW] for tensor in inputs])
            for ours, theirs in zip(narrow, wide, strict=True):
                bits = torch.int32 if ours.dtype == torch.float32 else torch.int64
                beside = theirs[first : first + FEW].contiguous()
                assert torch.equal(ours.view(bits), beside.view(bits))


EPS = 2.0**-12
"""(1 + ε)² is 1 + 2 ε + ε² and has no room for ε² in single precision."""


@pytest.mark.parametrize(
    ("function", "right"),
    [
        (lambda x, y, z: (x * y + z,), EPS * EPS),
        (lambda x, y, z: (z + x * y,), EPS * EPS),
        (lambda x, y, z: (x * y - (-z),), EPS * EPS),
        (lambda x, y, z: (-z - x * y,), -EPS * EPS),
        (lambda x, y, z: (-(x * y) - z,), 0.0),
        (lambda x, y, z: (torch.addcmul(z, x, y),), EPS * EPS),
        (lambda x, y, z: (torch.add(z, y, alpha=1 + EPS),), EPS * EPS),
        (lambda x, y, z: (x * y - y * x,), 0.0),
        (lambda x, y, z: ((x * y + z) + 0 * (x * y),), EPS * EPS),
        (lambda x, y, z: ((x * y).abs() + (x * y + z),), 1 + 2 * EPS + EPS * EPS),
    ],
)
def test_a_product_and_a_sum_round_once(function: Any, right: float) -> None:
    """In each way that a step may write them, by the target's own instruction."""
    x, y = torch.full((FITS,), 1 + EPS), torch.full((FITS,), 1 + EPS)
    z = torch.full((FITS,), -(1 + 2 * EPS))
    lowered = lower(traced(function, [x[:LANES], y[:LANES], z[:LANES]]), 3, [])
    made = functions([Kernel(lowered)], None, never, private=False)
    assert made is not None
    (found,) = made[0][0]([x, y, z])
    assert torch.equal(found, torch.full((FITS,), right))


def test_compilers_contract_nothing_by_themselves() -> None:
    """What is rounded once is written in the source."""
    assert "-ffp-contract=off" in FLAGS
