"""Axes that a reshape has divided: what has the whole one has its parts instead.

A linear layer takes the rows and times of a sequence as the rows of one matrix, attention takes
them apart. With the parts alone one loop can be over the rows, whatever is done of each.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from shoal.trainable.fused.loops.axes import Axis
from shoal.trainable.fused.loops.loops import (
    Index,
    Joint,
    Operand,
    Operation,
    Reduction,
    Scatter,
    Value,
    operands_of,
    over,
    size,
)

Parts = tuple[Axis, ...]


def divided(
    operations: Sequence[Operation], values: Iterable[Value], whole: Collection[Axis]
) -> list[Operation]:
    """Return operations in which no axis is whole that others have in parts, where all can have it
    so. The axes of values change with it; their numbers lie as before, row by row.

    Args:
        values: all there are; whole: axes that have to stay as they are.
    """
    values, found = list(values), list(operations)
    refused = set(whole)
    while True:
        axis, parts = next(_divisible(found, refused), (None, ()))
        if axis is None:
            return found
        refused.add(axis)
        if all(_can(operation, axis, parts) for operation in found):
            found = [_with_parts(operation, axis, parts) for operation in found]
            for value in values:
                value.axes = _replaced(value.axes, axis, parts)


def _divisible(
    operations: Sequence[Operation], refused: Collection[Axis]
) -> Iterator[tuple[Axis, Parts]]:
    """Axes of values that are read by parts."""
    for operation in operations:
        for operand in operands_of(operation):
            if isinstance(operand.value, Value):
                for axis, index in zip(operand.value.axes, operand.at, strict=True):
                    parts = tuple(index.axes)
                    if axis not in refused and index == _index(parts) and _covers(parts, axis):
                        yield axis, parts


def _index(parts: Parts) -> Index:
    """The place along an axis that has these parts, row by row."""
    return Index(tuple((part, size(parts[i + 1 :])) for i, part in enumerate(parts)))


def _covers(parts: Parts, axis: Axis) -> bool:
    return len(set(parts)) == len(parts) > 1 and size(parts) == axis.size


def _can(operation: Operation, axis: Axis, parts: Parts) -> bool:
    """Whether an operation can have these parts of an axis: it walks one or the other, and takes
    all of it, or one place."""
    walked = {*operation.result.axes, *over(operation)}
    if axis in walked and not walked.isdisjoint(parts):
        return False
    for operand in operands_of(operation):
        if not isinstance(operand.value, Value):
            continue
        for own, index in zip(operand.value.axes, operand.at, strict=True):
            if own == axis and _places(index, axis, parts) is None:
                return False
            if own != axis and axis in index.axes and index.divisor > 1:
                return False
    return True


def _places(index: Index, axis: Axis, parts: Parts) -> tuple[Index, ...] | None:
    """The place along each of the parts; None: it cannot be told."""
    if index == Index.along(axis):
        return tuple(map(Index.along, parts))
    walked = tuple(index.axes)
    if index == _index(walked) and [one.size for one in walked] == [one.size for one in parts]:
        return tuple(map(Index.along, walked))
    if index.by is not None or index.terms or index.divisor > 1:
        return None
    strides = [stride for _, stride in _index(parts).terms]
    return tuple(
        Index(offset=index.offset // stride % part.size)
        for part, stride in zip(parts, strides, strict=True)
    )


def _with_parts(operation: Operation, axis: Axis, parts: Parts) -> Operation:
    def of(operand: Operand) -> Operand:
        if not isinstance(operand.value, Value):
            return operand
        at: list[Index] = []
        for own, index in zip(operand.value.axes, operand.at, strict=True):
            if own == axis:
                at += _places(index, axis, parts) or ()
            elif index.by is not None:
                at.append(Index(by=of(index.by)))
            else:
                at.append(index.at({axis: _index(parts)}) if axis in index.axes else index)
        return Operand(operand.value, tuple(at))

    if isinstance(operation, Joint):
        return replace(
            operation,
            parts=tuple((of(operand), place, own) for operand, place, own in operation.parts),
        )
    given: Any = tuple(map(of, operation.operands))  # as many as there were
    if isinstance(operation, Reduction):
        reduced = _replaced(operation.over, axis, parts)
        if isinstance(operation, Scatter) and operation.by is not None:
            return replace(operation, operands=given, over=reduced, by=of(operation.by))
        return replace(operation, operands=given, over=reduced)
    return replace(operation, operands=given)


def _replaced(axes: Sequence[Axis], axis: Axis, parts: Parts) -> Parts:
    return tuple(one for own in axes for one in (parts if own == axis else (own,)))
