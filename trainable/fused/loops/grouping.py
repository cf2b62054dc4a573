"""Groups: operations on numbers side by side that one loop does.

What one of them gives the next is then in a register, and the compiler drops what nothing else
reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shoal.trainable.fused.loops.axes import Axis
from shoal.trainable.fused.loops.loops import Index, Map, Operation, Value, operands_of


def grouped(operations: Sequence[Operation]) -> list[list[Operation]]:
    """Return the operations in an order in which they can be done, those of one loop together.

    Each joins the last group of its axes that comes no earlier than what it takes.
    """
    groups: list[list[Operation]] = []
    place: dict[Value, int] = {}  # the group of each result
    last: dict[tuple[Axis, ...], int] = {}  # the last group of operations with some axes
    for operation in operations:
        at = last.get(operation.result.axes) if isinstance(operation, Map) else None
        if at is None or not _ready(operation, place, at):
            at = len(groups)
            groups.append([])
        groups[at].append(operation)
        place[operation.result] = at
        if isinstance(operation, Map):
            last[operation.result.axes] = at
    return groups


def passing(operations: Sequence[Operation]) -> set[Value]:
    """Return the results that nothing but the loop that computes them takes."""
    groups = grouped(operations)
    place: dict[Value | float, int] = {
        operation.result: i for i, group in enumerate(groups) for operation in group
    }
    found = {operation.result for operation in operations if isinstance(operation, Map)}
    for operation in operations:
        for operand in operands_of(operation):
            elsewhere = place.get(operand.value) != place[operation.result]
            if isinstance(operand.value, Value) and elsewhere:
                found.discard(operand.value)
    return found


def _ready(operation: Operation, place: Mapping[Value, int], at: int) -> bool:
    """Whether what an operation takes is there when the loop of a group comes to it."""
    here = tuple(Index.along(axis) for axis in operation.result.axes)
    for operand in operands_of(operation):
        given = place.get(operand.value, -1) if isinstance(operand.value, Value) else -1
        if given > at or (given == at and operand.at != here):
            return False
    return True
