"""Which operations one loop does."""

from __future__ import annotations

import torch

from shoal.trainable.fused.loops import (
    Axis,
    Index,
    Map,
    Operand,
    Operation,
    Operator,
    Reduction,
    Value,
    all_of,
    grouped,
    passing,
)

ROW, OTHER = Axis(1, 12), Axis(2, 7)


def value(*axes: Axis) -> Value:
    """A value along some axes."""
    return Value(torch.float32, axes)


def maps(result: Value, *operands: Operand) -> Map:
    """An operation on numbers side by side."""
    return Map(result, Operator("add"), operands)


def numbers(operations: list[Operation]) -> list[list[int]]:
    """The groups by the places of their operations."""
    return [[operations.index(one) for one in group] for group in grouped(operations)]


def test_operations_of_the_same_axes_share_a_loop_though_others_stand_between() -> None:
    """Two updates of two parameters."""
    p, q, a, b, c, d = (value(axis) for axis in (ROW, OTHER, ROW, OTHER, ROW, OTHER))
    operations: list[Operation] = [
        maps(a, all_of(p)),
        maps(b, all_of(q)),
        maps(c, all_of(a)),
        maps(d, all_of(b)),
    ]
    assert numbers(operations) == [[0, 2], [1, 3]]


def test_what_needs_a_whole_value_waits_for_its_loop() -> None:
    """A sum, what takes it, and a place beside the one at hand."""
    p, a, total, b, shifted = value(ROW), value(ROW), value(), value(ROW), value(ROW)
    operations: list[Operation] = [
        maps(a, all_of(p)),
        Reduction(total, "sum", (all_of(a),), (ROW,)),
        maps(b, all_of(a), all_of(total)),
        maps(shifted, Operand(a, (Index(ROW, 1),))),
        maps(value(ROW), Operand(b, (Index(None, 3),))),
    ]
    assert numbers(operations) == [[0], [1], [2, 3], [4]]


def test_what_its_own_loop_alone_takes_needs_no_place() -> None:
    """Of a, which a sum takes, of b, which the same loop takes, and of c, which is given back."""
    p, a, b, c, total = value(ROW), value(ROW), value(ROW), value(ROW), value()
    operations: list[Operation] = [
        maps(a, all_of(p)),
        maps(b, all_of(a)),
        maps(c, all_of(b)),
        Reduction(total, "sum", (all_of(a),), (ROW,)),
    ]
    assert passing(operations) - {c} == {b}
