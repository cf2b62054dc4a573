"""Outputs that are nothing but copies."""

from __future__ import annotations

from dataclasses import replace

from shoal.trainable.fused.loops import Loops, Map, Value, all_of


def without_copies(loops: Loops) -> Loops:
    """Return the loops with what an output is a copy of, along the same axes, as the output.

    What is given stays copied: in the loop over updates it changes before all outputs are taken.
    """
    copied: dict[Value, Value] = {}
    for operation in loops.operations:
        if not isinstance(operation, Map) or operation.operator.name != "copy":
            continue
        (operand,), result = operation.operands, operation.result
        value = operand.value
        if not isinstance(value, Value) or value.shared or value in loops.inputs:
            continue
        alike = (value.dtype, value.axes) == (result.dtype, result.axes)
        if result in loops.outputs and alike and operand == all_of(value):
            copied[result] = value
    return replace(
        loops,
        operations=tuple(o for o in loops.operations if o.result not in copied),
        outputs=tuple(copied.get(value, value) for value in loops.outputs),
    )
