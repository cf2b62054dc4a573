"""Metrics of stacked fits: by a kernel, by torch beside a kernel, and what differs is seen."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from shoal.trainable.compiling import compiler, functions
from shoal.trainable.fused.cpp.kernel import Kernel
from shoal.trainable.halt import never
from shoal.trainable.lanes import Lanes
from shoal.trainable.programs import (
    EAGER,
    KERNEL,
    Program,
)
from shoal.trainable.programs.comparing import difference, metrics_difference

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")


ROWS = 200


class Fit:
    """A line; its metrics are of several kinds: a mean, a share, a count."""

    def data(self) -> Any:
        x = torch.linspace(-1, 1, 30)
        return x, torch.sin(3 * x)

    def validation(self) -> Any:
        x = torch.linspace(-2, 2, ROWS)
        return x, torch.sin(3 * x), torch.arange(ROWS)

    def initial(self, seed: int) -> Any:
        return {"w": torch.randn((), generator=torch.Generator().manual_seed(seed))}

    def loss_and_gradient(self, params: Any, data: Any) -> Any:
        x, y = data
        r = x * params["w"] - y
        return (r * r).sum(), {"w": 2 * (x * r).sum()}

    def metrics(self, params: Any, rows: Any) -> Any:
        x, y, n = rows
        r = x * params["w"] - y
        return {
            "mean": (r * r).mean(),
            "share": (r.abs() < 0.5).float().mean(),
            "count": ((r > 0) & (n > 40)).sum(),
        }


class Sorted(Fit):
    """A median and a constant, which no kernel has: torch computes them beside the step's."""

    def metrics(self, params: Any, rows: Any) -> Any:
        x, y, _ = rows
        r = (x * params["w"] - y).abs()
        return {"median": r.sort().values[8], "mean": r.mean(), "constant": y.max()}


def lanes_of(count: int) -> Lanes:
    at = torch.arange(count)
    lr = torch.logspace(-4, -2, count, dtype=torch.float64)
    return Lanes(trial=at, replicate=0 * at, seed=at, values={"lr": lr}, shape={})


def program_of(problem: type, kind: str, block: int, metrics: str | None = None) -> Program:
    return Program(
        problem,
        optimizer="sgd",
        shape={},
        defaults={},
        block=block,
        device="cpu",
        kind=kind,
        metrics=metrics,
    )


def computed(program: Program, count: int) -> dict[str, torch.Tensor]:
    """The metrics of `count` fits at their initial parameters."""
    with torch.no_grad():
        lanes, which = lanes_of(count), torch.arange(count)
        params, state = program.initial(lanes, which)
        values = program.values(lanes, which)
        program.prepare(params, state, values)
        return program.metrics(params, values)


def plainly(problem: Any, count: int) -> dict[str, torch.Tensor]:
    """The same, one fit after the other, in float64."""
    made = problem()
    rows = [part.double() if part.is_floating_point() else part for part in made.validation()]
    found = [
        made.metrics({name: leaf.double() for name, leaf in made.initial(seed).items()}, rows)
        for seed in range(count)
    ]
    return {name: torch.stack([one[name].double() for one in found]) for name in found[0]}


@pytest.mark.parametrize("problem", [Fit, Sorted])
@pytest.mark.parametrize(("kind", "metrics"), [(EAGER, None), (KERNEL, None), (KERNEL, EAGER)])
@pytest.mark.parametrize("count", [1, 8, 19])
def test_metrics_are_those_of_each_fit_alone(
    problem: type, kind: str, metrics: str | None, count: int
) -> None:
    """By name, whatever computes them; an eager block has one size, and a kernel any."""
    program = program_of(problem, kind, count if kind == EAGER else 8, metrics)
    found, right = computed(program, count), plainly(problem, count)
    assert list(found) == list(right)
    for name, values in found.items():
        torch.testing.assert_close(values.double(), right[name], rtol=1e-4, atol=1e-6)
    fused = kind == KERNEL and metrics is None and problem is Fit
    assert (program.compiled_metrics is not None) == fused


def test_torchs_metrics_do_not_depend_on_how_many_fits_there_are() -> None:
    """Beside a kernel, whose block shrinks: a few at a time, filled up to the block."""
    many = computed(program_of(Sorted, KERNEL, 8), 19)
    for count in (1, 3, 8, 11):
        few = computed(program_of(Sorted, KERNEL, 8), count)
        for name, values in few.items():
            assert torch.equal(values, many[name][:count])


@pytest.mark.parametrize(
    ("pattern", "instead", "told"),
    [
        ("", "", None),
        (r"T\(0x1\.0+p-1\)", "T(0.7)", "the metric share is"),
        (r"some<1>\(first, fits", "some<1>(first, fits - 1", "the metric"),
    ],
    ids=["right", "a number", "a fit left out"],
)
def test_a_kernel_of_metrics_that_differs_is_told(
    pattern: str, instead: str, told: str | None
) -> None:
    """With the metric's name; the step's own comparison is another matter."""
    program = program_of(Fit, KERNEL, 8)
    lanes, which = lanes_of(6), torch.arange(6)
    with torch.no_grad():
        params, state = program.initial(lanes, which)
        codes = program.codes(params, state, program.values(lanes, which))
        kernel = codes[-1]
        assert len(codes) == 3
        assert isinstance(kernel, Kernel)
        if pattern:
            kernel.source, count = re.subn(pattern, instead, kernel.source)
            assert count
        built = functions(codes, None, never, private=False)
        assert built is not None
        program.take(built[0])
    found = metrics_difference(program, lanes)
    assert (found is None) == (told is None), found
    assert told is None or (found is not None and told in found)
    assert difference(program, lanes) is None
