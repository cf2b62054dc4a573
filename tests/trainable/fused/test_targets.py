"""What a target promises, of each that there is."""

from __future__ import annotations

import re

import pytest
import torch

from shoal.trainable.compiling import compiler
from shoal.trainable.compiling.library import functions
from shoal.trainable.fused import LANES, FusedRun, Target, lower, target_of
from shoal.trainable.fused.loops import Limits, Loops, NotLowered, Operator
from shoal.trainable.fused.loops.contraction import (
    MULTIPLY_ADD,
    MULTIPLY_SUBTRACT,
    SUBTRACT_PRODUCT,
)
from shoal.trainable.fused.loops.meanings import MEANINGS
from shoal.trainable.fused.loops.operators import _BOOLEAN, _PLAIN, COPY, KEPT, TRUTH, mapped
from shoal.trainable.fused.registry import TARGETS
from shoal.trainable.halt import never
from shoal.trainable.programs.tracing import traced

by_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)

OPERANDS = re.compile(r"\{(\d)\}")


def operators() -> list[tuple[Operator, int]]:
    """Those that operations of torch are lowered to, each with how many operands it is given."""
    found = [*_PLAIN.values(), (COPY, 1), (TRUTH, 1), (KEPT, 7)]
    found += [(operator, 3) for operator in (MULTIPLY_ADD, MULTIPLY_SUBTRACT, SUBTRACT_PRODUCT)]
    found += [(operator, len(operator.conditions)) for operator in _BOOLEAN.values()]
    special = [
        *(("add", [0.0, 0.0], {"alpha": alpha}) for alpha in (1, 2)),
        *(("sub", [0.0, 0.0], {"alpha": alpha}) for alpha in (1, 2)),
        *(("pow", [0.0, power], {}) for power in (0.5, 1, 2, 3, 4, -0.5, -1, -2, 7)),
        ("div", [0.0, 0.0], {}),
        *(("clamp", [0.0, *ends], {}) for ends in ([None, 1.0], [1.0], [0.0, 1.0])),
        ("addcmul", [0.0, 0.0, 0.0], {}),
        ("addcdiv", [0.0, 0.0, 0.0], {}),
        ("clone", [0.0], {}),
    ]
    for name, args, named in special:
        operator, operands = mapped(name, args, named)  # type: ignore[arg-type]  # mixed lists
        found.append((operator, len(operands)))
    return found


def test_the_operators_are_those_that_have_a_meaning() -> None:
    """None is left out, and none is there for nothing."""
    assert {operator.name for operator, _ in operators()} == MEANINGS.keys()


@by_target
def test_each_operator_has_a_text_over_all_of_its_operands(target: Target) -> None:
    """And over no others."""
    assert target.dialect.keys() == MEANINGS.keys()
    for operator, operands in operators():
        used = {int(i) for i in OPERANDS.findall(target.dialect[operator.name])}
        assert used == set(range(operands)), operator.name


def loops_of(target: Target, limits: Limits | None = None) -> Loops:
    """The loops of x + 1, of 40 numbers."""
    graph = traced(lambda x: (x + 1,), [torch.zeros(LANES, 40)])
    return lower(graph, 1, [], limits or target.limits)


@by_target
def test_its_kernels_compile_and_take_any_number_of_fits(target: Target) -> None:
    """On the devices that it is for."""
    assert target_of(target.device) is target
    run = compiled(target, loops_of(target))
    for fits in (1, 9, 70):
        x = torch.randn(fits, 40)
        assert torch.equal(run([x])[0], x + 1)
        assert torch.equal(run.doing(3)([x])[0], x + 1), "nothing is carried over"


def compiled(target: Target, loops: Loops, carried: int = 0) -> FusedRun:
    """A kernel, loaded."""
    if target.device != "cpu" or compiler() is None:
        pytest.skip("needs the target's device and compiler: apt-get install g++ for cpu")
    made = functions([target.code(loops, carried)], None, never, private=False)
    assert made is not None
    ((run,), _) = made
    assert isinstance(run, FusedRun)
    return run


@by_target
@pytest.mark.parametrize("width", [3, 40])
def test_a_kernel_that_is_fed_does_an_update_with_each_of_its_data(
    target: Target, width: int
) -> None:
    """For any number of fits, row by row and in tiles; also data that are of several tensors."""
    fed = [torch.randn(20, width), torch.randn(20)]

    def step(x: torch.Tensor, rows: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor]:
        return ((0.1 * (x @ rows.T).tanh() * weights) @ rows + x,)

    graph = traced(step, [torch.zeros(LANES, width), *fed])
    run = compiled(target, lower(graph, 1, fed, target.limits, fixed=0), 1)
    assert run.fed
    every = [[torch.randn(20, width), torch.randn(20)] for _ in range(3)]
    for fits in (1, 9, 70):
        x = expected = torch.randn(fits, width)
        for i, data in enumerate(every, 1):
            expected = step(expected, *data)[0]
            found = run.over([x], [run.data_of(one) for one in every[:i]])[0]
            torch.testing.assert_close(found, expected)
            assert torch.equal(run([x, *(t for one in every[:i] for t in one)])[0], found)


@by_target
def test_a_kernel_that_is_fed_takes_no_other_shapes(target: Target) -> None:
    """It would read beyond their ends."""
    rows = torch.randn(20)
    graph = traced(lambda x, r: ((x[:, None] * r).sum(1),), [torch.zeros(LANES), rows])
    run = compiled(target, lower(graph, 1, [rows], target.limits, fixed=0), 1)
    with pytest.raises(ValueError, match=r"shape \(19,\) and torch.float32: .* for \(20,\)"):
        run.data_of([rows[:19]])
    with pytest.raises(ValueError, match=r"and torch.float64: .* and torch.float32"):
        run.data_of([rows.double()])
    with pytest.raises(ValueError, match="no update"):
        run([torch.zeros(4)])


@by_target
def test_its_text_and_its_cost_follow_from_the_loops(target: Target) -> None:
    """The same each time; what does more costs more."""
    loops = loops_of(target)
    assert target.emit(loops, 0) == target.emit(loops_of(target), 0)
    more = traced(lambda x: (torch.exp(x) + 1,), [torch.zeros(LANES, 40)])
    assert 0 < target.cost(loops) < target.cost(lower(more, 1, [], target.limits))


def test_what_is_beyond_a_targets_limits_is_not_lowered_for_it() -> None:
    """Forty numbers go in, and forty come out."""
    target = target_of("cpu")
    assert loops_of(target, Limits(max_numbers=80))
    with pytest.raises(NotLowered, match="too large for a kernel's stack"):
        loops_of(target, Limits(max_numbers=79))


def test_a_product_and_a_long_axis_are_judged_by_the_limits_too() -> None:
    """A product of a row of 40 and a matrix of 40 x 3."""
    weights = torch.randn(40, 3)
    graph = traced(lambda x, w: (x @ w,), [torch.zeros(LANES, 40), weights])
    assert lower(graph, 1, [weights], Limits(max_product=120))
    with pytest.raises(NotLowered, match="BLAS is faster"):
        lower(graph, 1, [weights], Limits(max_product=119))
    rows = torch.randn(20)
    mean = traced(lambda x, r: ((x[:, None] * r).sum(1),), [torch.zeros(LANES), rows])
    assert len(lower(mean, 1, [rows], Limits(min_long=20)).long) == 1
    assert len(lower(mean, 1, [rows], Limits(min_long=21)).long) == 0


def test_a_device_without_a_target_is_named() -> None:
    """As where torch knows one that we do not."""
    with pytest.raises(NotLowered, match="there are no fused kernels for xpu"):
        target_of("xpu")


@by_target
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_peak_is_measured(target: Target, dtype: torch.dtype) -> None:
    """By a program that does as many multiply-adds as it says: some at each tick of a core."""
    code = target.peak(dtype)
    if code is None or target.device != "cpu" or compiler() is None:
        pytest.skip("needs the target's device and compiler: apt-get install g++ for cpu")
    made = functions([code], None, never, private=False)
    assert made is not None
    assert 1e8 < float(made[0][0]([])[0]) < 1e12
    assert target.peak(torch.int64) is None
