"""Long texts in functions of their own: a compiler's time grows faster than a function.

What several of these functions take or give is in one array, which they are given; all other values
are within one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from shoal.trainable.fused.cpp.writing.listing import MAX_UNROLLED
from shoal.trainable.fused.loops import Loops, Operation, Value, grouped, operands_of, size

MIN_STATEMENTS = 600
"""Statements of a kernel's text, one for each number where a loop is unrolled, from which on the
text is long."""

OPERATIONS = 100
"""Of one function, or a few more."""


def is_long(loops: Loops) -> bool:
    """Whether a kernel is written with short loops as loops and, but for those over rows, in
    functions."""
    counts = (
        size(axis for axis in operation.result.axes if axis not in loops.long)
        for operation in loops.operations
    )
    return sum(count if count <= MAX_UNROLLED else 1 for count in counts) >= MIN_STATEMENTS


def chunked(operations: Sequence[Operation]) -> Iterator[list[Operation]]:
    """Yield operations in the order of their loops, as many at a time as one function has."""
    chunk: list[Operation] = []
    for group in grouped(operations):
        chunk += group
        if len(chunk) >= OPERATIONS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def slots(loops: Loops, chunks: Iterable[Sequence[Operation]]) -> dict[Value, int]:
    """Return the place in the array of each value that is not within one function; truth values
    have an array, and places, of their own."""
    of_all: dict[Value, None] = dict.fromkeys((*loops.inputs, *loops.outputs))
    for chunk in chunks:
        own = {operation.result for operation in chunk}
        for operation in chunk:
            taken = (operand.value for operand in operands_of(operation))
            of_all.update(
                (value, None)
                for value in taken
                if isinstance(value, Value) and not value.shared and value not in own
            )
    found, used = dict[Value, int](), {False: 0, True: 0}
    for value in of_all:
        found[value] = used[value.truth]
        used[value.truth] += size(value.axes)
    return found
