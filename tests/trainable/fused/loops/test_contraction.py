"""Which products are rounded together with the sum that takes them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from shoal.trainable.compiling import compiler
from shoal.trainable.compiling.library import functions
from shoal.trainable.fused import LANES, lower
from shoal.trainable.fused.cpp.kernel import Kernel
from shoal.trainable.fused.loops import Loops, Map, Reduction
from shoal.trainable.halt import never
from shoal.trainable.programs.tracing import traced

Function = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, ...]]


def loops(function: Function, *sizes: int) -> Loops:
    """The loops of a function of x, y and z of each fit."""
    given = [torch.zeros(LANES, *sizes) for _ in range(3)]
    return lower(traced(function, given), 3, [])


def words(of: Loops) -> list[str]:
    """What is done, but for the copies into outputs; a sum with how many factors it adds."""
    found = []
    for operation in of.operations:
        if isinstance(operation, Reduction):
            found.append(f"{operation.how} of {len(operation.operands)}")
        elif isinstance(operation, Map) and operation.operator.name != "copy":
            found.append(operation.operator.name)
    return found


@pytest.mark.parametrize(
    ("function", "done"),
    [
        (lambda x, y, z: (x * y + z,), ["multiply_add"]),
        (lambda x, y, z: (z + x * y,), ["multiply_add"]),
        (lambda x, y, z: (x * y - z,), ["multiply_subtract"]),
        (lambda x, y, z: (z - x * y,), ["subtract_product"]),
        (lambda x, y, z: (z + -(x * y),), ["subtract_product"]),
        (lambda x, y, z: (-(x * y) + z,), ["subtract_product"]),
        (lambda x, y, z: (z - -(x * y),), ["multiply_add"]),
        (lambda x, y, z: (z + x * x,), ["multiply_add"]),
        (lambda x, y, z: (z + x**3,), ["square", "multiply_add"]),
        (lambda x, y, z: (z + x**4,), ["square", "multiply_add"]),
        (lambda x, y, z: (torch.addcmul(z, x, y),), ["multiply_add"]),
        (lambda x, y, z: ((x * y).sum(1),), ["sum of 2"]),
        (lambda x, y, z: ((x * y + z).sum(1),), ["multiply_add", "sum of 1"]),
        (lambda x, y, z: ((x * y) + z, (x * y).sum(1)), ["multiply_add", "sum of 2"]),
    ],
)
def test_a_product_is_part_of_the_sum_that_takes_it(function: Function, done: list[str]) -> None:
    """Whichever way it is written."""
    assert words(loops(function, 5)) == done


def both(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """A product that two sums take."""
    product = x * y
    return product + z, (z - product).sum(1)


def elsewhere(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """A product that a sum takes and a function too."""
    product = x * y
    return (product + torch.exp(product),)


def test_a_product_with_several_uses_is_part_of_all_of_them_or_of_none() -> None:
    """Where it must be known by itself, it is made once."""
    assert words(loops(both, 5)) == ["multiply_add", "subtract_product", "sum of 1"]
    assert words(loops(elsewhere, 5)) == ["multiply", "exp", "add"]
    assert words(loops(lambda x, y, z: (x * y, x * y + z), 5)) == ["multiply", "multiply_add"]


def test_one_of_two_products_is_rounded_and_both_where_they_are_the_same() -> None:
    """The first is part of the sum; equal ones differ by nothing."""
    assert words(loops(lambda x, y, z: (x * y + z**2,), 5)) == ["square", "multiply_add"]
    assert words(loops(lambda x, y, z: (x * y - y * x,), 5)) == ["multiply", "multiply", "subtract"]
    same = loops(lambda x, y, z: (x * x - x**2,), 5)
    assert "multiply_subtract" not in words(same)
    assert words(loops(lambda x, y, z: ((x * y) + (x * y),), 5))[-1] == "add"


def test_a_product_outside_of_a_loop_over_rows_stays_there() -> None:
    """Its sum with each row takes the one number."""
    rows = torch.arange(200.0)
    given = [torch.zeros(LANES), torch.zeros(LANES), rows]
    graph = traced(lambda x, y, r: (((x * y)[:, None] + r).abs().sum(1),), given)
    assert words(lower(graph, 2, [rows])) == ["multiply", "add", "absolute", "sum of 1"]


PLACES: list[Function] = [
    lambda x, y, z: ((x * y)[:, 1:] + z[:, :-1],),
    lambda x, y, z: (z - (x[:, 2:] * y[:, :-2])[:, 1:2],),
    lambda x, y, z: ((x * y)[:, 3] - z[:, 2],),
    lambda x, y, z: ((-(x * y))[:, 1:3].sum(1) + (-z)[:, 4],),
    lambda x, y, z: ((x * y[:, :1])[:, :, None] + z[:, None, :],),
    lambda x, y, z: (((x[:, :, None] * y[:, None, :]).transpose(1, 2) + z[:, :, None]).sum(2),),
    lambda x, y, z: ((z + (x * y).sum(1, keepdim=True)) * (1 - y),),
]


@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("function", PLACES)
def test_factors_are_taken_at_the_place_of_the_product(function: Function) -> None:
    """Through slices, single places, added axes and turned ones."""
    generator = torch.Generator().manual_seed(3)
    given = [torch.randn((7, 5), generator=generator, dtype=torch.float64) for _ in range(3)]
    lowered = lower(traced(function, [tensor[:LANES] for tensor in given]), 3, [])
    made = functions([Kernel(lowered)], None, never, private=False)
    assert made is not None
    (found,) = made[0][0](given)
    assert torch.allclose(found, function(*given)[0], rtol=1e-13, atol=1e-13)


@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("name", ["tanh_backward", "sigmoid_backward"])
def test_a_backward_product_is_part_of_a_sum(name: str) -> None:
    """The slope is made first."""
    backward = getattr(torch.ops.aten, name)

    def function(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (backward(x, y).sum(1) + z[:, 0],)

    lowered = loops(function, 5)
    assert "sum of 2" in words(lowered)
    assert name not in words(lowered)
    given = [torch.rand(7, 5) for _ in range(3)]
    made = functions([Kernel(lowered)], None, never, private=False)
    assert made is not None
    assert torch.allclose(made[0][0](given)[0], function(*given)[0], rtol=1e-5)


def test_a_product_and_the_sum_that_takes_it_are_one_instruction() -> None:
    """Two numbers are computed; a copy into an output is one more of both."""
    for function, work, instructions in (
        (lambda x, y, z: (x * y + z,), 15, 10),
        (lambda x, y, z: ((x * y).sum(1),), 11, 6),
    ):
        found = loops(function, 5)
        assert (found.work, found.instructions) == (work, instructions)
