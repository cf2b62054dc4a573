"""The end of lowering: one name for each axis, the long axes, and the limits of a kernel's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch

from shoal.trainable.fused.loops.axes import Axes, Axis
from shoal.trainable.fused.loops.contraction import contracted
from shoal.trainable.fused.loops.dividing import divided
from shoal.trainable.fused.loops.grouping import passing
from shoal.trainable.fused.loops.loops import (
    Cholesky,
    Factorisation,
    Fed,
    Index,
    Joint,
    Loops,
    Map,
    Operand,
    Operation,
    Reduction,
    Scan,
    Scatter,
    Solve,
    Value,
    needed,
    operands_of,
    over,
    size,
)
from shoal.trainable.fused.loops.operators import NotLowered


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a target can hold and does well; the defaults are those of a core of a CPU.

    Attributes:
        min_long: length from which on an axis may be a long one (a loop over rows of the data).
        max_numbers: numbers of a lane that all values may have along their small axes. A CPU has
            them on its stack, 64 bytes for each, or fewer where a loop needs no array; what one
            loop reads of them should stay in its second cache.
        max_product: numbers of the largest factor of a product for one point of the long axis, or
            all multiplications of one without it; beyond it a library is faster (BLAS).
    """

    min_long: int = 16
    max_numbers: int = 49152
    max_product: int = 16384


class Computing(Protocol):
    """Operations on tensors that all lanes share."""

    def computed(self, target: Any, args: list[Any], named: dict[str, Any]) -> Any:
        """Return the result of an operation."""

    def first(self, tensor: torch.Tensor, sizes: Sequence[int], i: int) -> torch.Tensor:
        """Return the first of some equal parts along dimension i, where a tensor has these sizes.

        Raises:
            NotLowered: they are not equal.
        """

    def again(self, tensors: Sequence[torch.Tensor]) -> Fed | None:
        """Return how such results are computed at each update; None: they never change."""


def resolved(
    axes: Axes,
    lane: Axis,
    *,
    inputs: Sequence[Value],
    data: Sequence[tuple[Value, torch.Tensor]],
    shared: Computing,
    operations: Sequence[Operation],
    outputs: Sequence[Value],
    shapes: Sequence[tuple[int, ...]],
    dtype: torch.dtype,
    limits: Limits,
) -> Loops:
    """Return the loops of what was lowered, without what no output needs.

    Args:
        data: tensors that all lanes share, in any dtype; shared: computes what becomes of them.

    Raises:
        NotLowered: it is not expressible as loops, or beyond the kernel's size limits.
    """
    used = needed(operations, outputs)
    final = [_final(operation, axes, axes.find(lane)) for operation in used]
    results = [operation.result for operation in final]
    data = [(value, _without_lanes(value, t, axes, lane, shared)) for value, t in data]
    for value in (*inputs, *(value for value, _ in data), *results):
        value.axes = tuple(axes.find(axis) for axis in value.axes)
        axes.check(value.axes)
    for operation in final:
        axes.check(_swept(operation))
        if isinstance(operation, Joint):
            kept = [axis for axis in operation.result.axes if axis != operation.along]
            for _, _, own in operation.parts:
                axes.check([*kept, *([own] if own else [])])
    whole = {axis for operation in final for axis in _joined(operation)}
    final = divided(final, [*inputs, *(value for value, _ in data), *results], whole)
    long = _long(final, [*inputs, *outputs], limits.min_long)
    for operation in final:
        if over(operation) and _product(operation, long) > limits.max_product:
            error = NotLowered("a matrix product so large that BLAS is faster")
            error.value = operation.result
            raise error
        _check_places(operation, long)
    dropped = passing(final) - set(outputs)
    held = [value for value in (*inputs, *results) if value not in dropped]
    if sum(size(axis for axis in value.axes if axis not in long) for value in held) > (
        limits.max_numbers
    ):
        error = NotLowered("intermediate values too large for a kernel's stack")
        matrices = [o.result for o in final if isinstance(o, (Cholesky, Solve))]
        error.value = matrices[-1] if matrices else None
        raise error
    work = _work(final)
    final = contracted(final, outputs, long)
    taken = {operand.value for operation in final for operand in operands_of(operation)}
    read = [
        (value, shared.computed(_as_read, [tensor, dtype], {}))
        for value, tensor in data
        if value in taken
    ]
    return Loops(
        dtype=dtype,
        inputs=tuple(inputs),
        data=tuple(read),
        operations=tuple(final),
        outputs=tuple(outputs),
        shapes=tuple(shapes),
        long=long,
        work=work,
        instructions=_work(final),
        fed=shared.again([tensor for _, tensor in read]),
    )


def _product(operation: Operation, long: Sequence[Axis]) -> int:
    """Numbers of which many products are made: for each place of a long axis, the most that one
    factor or the sums have; without one, all that are multiplied."""
    swept = _swept(operation)
    if set(swept).isdisjoint(long):
        return size(swept)
    factors = [operand.value for operand in operands_of(operation)]
    values = [operation.result, *(value for value in factors if isinstance(value, Value))]
    return max(size(axis for axis in value.axes if axis not in long) for value in values)


def _as_read(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A tensor as a kernel reads it."""
    return tensor.to(dtype).contiguous()


def _swept(operation: Operation) -> tuple[Axis, ...]:
    """The axes that are walked for it."""
    along = operation.along if isinstance(operation, Scatter) else None
    return (*(axis for axis in operation.result.axes if axis != along), *over(operation))


def _joined(operation: Operation) -> list[Axis]:
    """The axes along which an operation puts values side by side, or adds them one by one."""
    if isinstance(operation, (Cholesky, Solve)):
        return _of_matrices(operation)
    if isinstance(operation, (Scan, Scatter)):
        return [axis for axis in [operation.along] if axis is not None]
    if not isinstance(operation, Joint):
        return []
    own = [axis for _, _, axis in operation.parts if axis is not None]
    return [operation.along, *own]


def _of_matrices(operation: Factorisation) -> list[Axis]:
    """The axes along which it goes step by step."""
    own = [operation.rows, operation.columns]
    return [*own, operation.along] if isinstance(operation, Solve) else own


def _placed(operation: Operation) -> list[Axis]:
    """The axes of which an operation takes other places than its own."""
    return [
        one
        for operand in operands_of(operation)
        if isinstance(operand.value, Value)
        for axis, index in zip(operand.value.axes, operand.at, strict=True)
        if index != Index.along(axis)
        for one in (axis, *(index.axes if index.by is None else ()))
    ]


def _work(operations: Sequence[Operation]) -> int:
    """The numbers that operations compute, those of costly functions counted many times."""
    return sum(size(_swept(operation)) * _cost(operation) for operation in operations)


def _cost(operation: Operation) -> int:
    if isinstance(operation, Map):
        return operation.operator.cost
    if isinstance(operation, (Cholesky, Solve)):  # each number takes half of those before it
        return 1 + operation.rows.size // (2 if isinstance(operation, Solve) else 6)
    return 1


def _long(operations: Sequence[Operation], ends: Sequence[Value], least: int) -> tuple[Axis, ...]:
    """The largest axes that no input or output has and that are walked from end to end, number by
    number, no two of which are walked together."""
    kept = {axis for value in ends for axis in value.axes}
    kept |= {axis for operation in operations for axis in _joined(operation)}
    kept |= {axis for operation in operations for axis in _placed(operation)}
    walked = [_swept(operation) for operation in operations]
    chosen: list[Axis] = []
    for axis in sorted({axis for swept in walked for axis in swept}, key=_largest_first):
        beside = {other for swept in walked if axis in swept for other in swept}
        if axis.size >= least and axis not in kept and beside.isdisjoint(chosen):
            chosen.append(axis)
    return tuple(chosen)


def _largest_first(axis: Axis) -> tuple[int, int]:
    return -axis.size, axis.number


def _without_lanes(
    value: Value, tensor: torch.Tensor, axes: Axes, lane: Axis, shared: Computing
) -> torch.Tensor:
    """The data of one lane, where torch has made as many of them as there are lanes.

    Raises:
        NotLowered: they are not the same for all lanes.
    """
    for i, axis in enumerate(value.axes):
        if axes.are_one(axis, lane):
            sizes = [axis.size for axis in value.axes]
            one = shared.first(tensor, sizes, i)
            value.axes = (*value.axes[:i], *value.axes[i + 1 :])
            return _without_lanes(value, one, axes, lane, shared)
    return tensor


def _final(operation: Operation, axes: Axes, lane: Axis) -> Operation:
    """The operation with each axis by its one name, and data without lanes."""

    def at(operand: Operand) -> Operand:
        named = {axis: Index.along(axes.find(axis)) for axis in operand.axes}
        places = tuple(
            index if index.by is None else Index(by=at(index.by))
            for index in operand.moved(named).at
        )
        if isinstance(operand.value, Value) and operand.value.shared:
            held = operand.value.axes
            places = tuple(p for a, p in zip(held, places, strict=True) if axes.find(a) != lane)
        return Operand(operand.value, places)

    if isinstance(operation, Map):
        return Map(operation.result, operation.operator, tuple(map(at, operation.operands)))
    if isinstance(operation, (Cholesky, Solve)):
        rows, columns = axes.find(operation.rows), axes.find(operation.columns)
        if isinstance(operation, Cholesky):
            (operand,) = operation.operands
            return Cholesky(operation.result, (at(operand),), rows, columns)
        one, other = map(at, operation.operands)
        along = axes.find(operation.along)
        return replace(operation, operands=(one, other), rows=rows, columns=columns, along=along)
    if isinstance(operation, Scan):
        (operand,) = operation.operands
        return Scan(operation.result, (at(operand),), axes.find(operation.along))
    if isinstance(operation, Reduction):
        reduced = tuple(axes.find(axis) for axis in operation.over)
        operands = tuple(map(at, operation.operands))
        if isinstance(operation, Scatter) and operation.along and operation.by:
            along, by = axes.find(operation.along), at(operation.by)
            return Scatter(operation.result, "sum", operands, reduced, along=along, by=by)
        return Reduction(operation.result, operation.how, operands, reduced, operation.divisor)
    parts = tuple(
        (at(operand), place, None if own is None else axes.find(own))
        for operand, place, own in operation.parts
    )
    return Joint(operation.result, parts, axes.find(operation.along))


def _check_places(operation: Operation, long: Sequence[Axis]) -> None:
    """Check that each operand with a long axis is read along the whole of it."""
    for operand in operands_of(operation):
        if isinstance(operand.value, Value):
            for axis, index in zip(operand.value.axes, operand.at, strict=True):
                taken = {axis} if index.by is not None else {axis, *index.axes}
                if not taken.isdisjoint(long) and index.axes != [axis]:
                    raise NotLowered("an index into the rows of the data")
    if isinstance(operation, Joint) and operation.along in long:
        raise NotLowered("a concatenation along the rows of the data")
