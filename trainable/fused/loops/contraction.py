"""Contraction: which products are rounded together with the sum that takes them.

Decided here, once for a function, and not by a compiler, which goes by what stands in registers and
what in arrays: a fit would have other last digits beside three others than by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from shoal.trainable.fused.loops.axes import Axis
from shoal.trainable.fused.loops.loops import (
    Map,
    Operand,
    Operation,
    Reduction,
    Value,
    all_of,
    needed,
    operands_of,
    over,
)
from shoal.trainable.fused.loops.operators import Operator

MULTIPLY_ADD = Operator("multiply_add")
MULTIPLY_SUBTRACT = Operator("multiply_subtract")
SUBTRACT_PRODUCT = Operator("subtract_product")

_TURNED = {"add": "subtract", "subtract": "add"}

_ONE = Operand(1.0)


def contracted(
    operations: Sequence[Operation], outputs: Collection[Value], long: Sequence[Axis]
) -> list[Operation]:
    """Return the operations with fused multiply-adds.

    A product (`multiply`, `square`, and the last one of `cube`, `fourth_power` and the backward
    operators) all of whose uses are additions, subtractions or sums is part of each of them. Of two
    products in one addition the first is, and the other one is rounded; so are both where they are
    the same, whose difference is 0. A use is in the same loops over long axes, so that nothing is
    done more often.

    Args:
        operations: in order, by the final names of axes; long: the long ones.
    """
    given = [_plain(operation) for operation in operations]
    given = needed(_without_negations(given), outputs)
    made = {operation.result: operation for operation in given}
    uses: dict[Value, list[Operation]] = {}
    for operation in given:
        for operand in operands_of(operation):
            if isinstance(operand.value, Value):
                uses.setdefault(operand.value, []).append(operation)
    taken: dict[Value, _Product] = {}  # by the result of what takes it
    folded: dict[Value, _Product] = {}
    for operation in given:
        product = _product(operation)
        value = operation.result
        if product is None or value in outputs:
            continue
        if all(use.result not in taken and _takes(use, product, made, long) for use in uses[value]):
            folded[value] = product
            taken.update((use.result, product) for use in uses[value])
    found: list[Operation] = []
    for operation in given:
        if operation.result in folded:
            found += folded[operation.result].before
        elif operation.result in taken:
            found.append(_joined(operation, taken[operation.result]))
        else:
            found.append(operation)
    return found


@dataclass(frozen=True)
class _Product:
    """``one * other``, which `operation` gives; `before` is what must be known for it."""

    operation: Map
    one: Operand
    other: Operand
    before: tuple[Map, ...] = ()


def _product(operation: Operation) -> _Product | None:
    """What an operation multiplies last, if that is all that it does."""
    if not isinstance(operation, Map) or operation.operator.truth:
        return None
    name, operands = operation.operator.name, operation.operands
    if name == "multiply":
        one, other = operands
        return _Product(operation, one, other)
    if name == "square":
        return _Product(operation, operands[0], operands[0])
    if name in ("cube", "fourth_power"):
        square = _new(operation, "square", operands)
        other = operands[0] if name == "cube" else all_of(square.result)
        return _Product(operation, all_of(square.result), other, (square,))
    if name == "tanh_backward":
        given, y = operands
        slope = _new(operation, "subtract_product", (y, y, _ONE))
        return _Product(operation, given, all_of(slope.result), (slope,))
    if name == "sigmoid_backward":
        given, y = operands
        rest = _new(operation, "subtract", (_ONE, y))
        scaled = _new(operation, "multiply", (given, all_of(rest.result)))
        return _Product(operation, all_of(scaled.result), y, (rest, scaled))
    return None


def _new(operation: Map, name: str, operands: tuple[Operand, ...]) -> Map:
    """An operation for a part of what another one does, with the same axes."""
    result = Value(operation.result.dtype, operation.result.axes)
    return Map(result, _of(Operator(name), operands), operands)


def _takes(
    use: Operation, product: _Product, made: Mapping[Value, Operation], long: Sequence[Axis]
) -> bool:
    """Whether a use of a product may round it together with its own sum."""
    value = product.operation.result

    def passes(axes: Sequence[Axis]) -> set[Axis]:
        return {axis for axis in axes if axis in long}

    if passes((*use.result.axes, *over(use))) != passes(value.axes):
        return False
    every = [index for operand in operands_of(use) for index in operand.at]
    if any(index.divisor > 1 or index.by is not None for index in every):
        return False
    if isinstance(use, Reduction):
        return use.how == "sum" and len(use.operands) == 1
    if not isinstance(use, Map) or use.operator.name not in _TURNED:
        return False
    if use.operator.truth:
        return False
    others = [operand for operand in use.operands if operand.value is not value]
    if not others:
        return False
    (other,) = others
    beside = made.get(other.value) if isinstance(other.value, Value) else None
    return not isinstance(beside, Map) or _kind(beside) != _kind(product.operation)


def _kind(operation: Map) -> tuple[str, frozenset[Operand]]:
    """The same for equal products."""
    name = operation.operator.name
    return "multiply" if name == "square" else name, frozenset(operation.operands)


def _joined(use: Operation, product: _Product) -> Operation:
    """A use of a product that computes it too."""
    value = product.operation.result
    if isinstance(use, Reduction):
        (operand,) = use.operands
        return replace(use, operands=tuple(_seen(operand, value, (product.one, product.other))))
    if not isinstance(use, Map):
        raise TypeError("a concatenation adds nothing")
    first = use.operands[0].value is value
    operand, other = use.operands if first else use.operands[::-1]
    if use.operator.name == "add":
        operator = MULTIPLY_ADD
    else:
        operator = MULTIPLY_SUBTRACT if first else SUBTRACT_PRODUCT
    operands = (*_seen(operand, value, (product.one, product.other)), other)
    return Map(use.result, _of(operator, operands), operands)


def _plain(operation: Operation) -> Operation:
    """``a + 1 (b c)`` as a product and a sum."""
    if isinstance(operation, Map) and operation.operator.name == "add_scaled_product":
        added, one, other, scale = operation.operands
        if scale.value == 1:
            operands = (one, other, added)
            return Map(operation.result, _of(MULTIPLY_ADD, operands), operands)
    return operation


def _without_negations(operations: Sequence[Operation]) -> list[Operation]:
    """The same with ``a - b`` for ``a + (-b)`` and the like, which are the same numbers."""
    found: list[Operation] = []
    negated: dict[Value, Operand] = {}
    for operation in operations:
        if isinstance(operation, Map):
            if operation.operator.name == "negate":
                (negated[operation.result],) = operation.operands
            elif operation.operator.name in _TURNED and not operation.operator.truth:
                operation = _turned(operation, negated)
        found.append(operation)
    return found


def _turned(operation: Map, negated: Mapping[Value, Operand]) -> Map:
    """An addition or subtraction without the minus before one of its operands."""
    one, other = operation.operands
    name = operation.operator.name
    if isinstance(other.value, Value) and other.value in negated:
        (other,) = _seen(other, other.value, (negated[other.value],))
        name = _TURNED[name]
    elif name == "add" and isinstance(one.value, Value) and one.value in negated:
        (negative,) = _seen(one, one.value, (negated[one.value],))
        one, other, name = other, negative, "subtract"
    else:
        return operation
    return Map(
        operation.result, _of(replace(operation.operator, name=name), (one, other)), (one, other)
    )


def _seen(operand: Operand, value: Value, through: Sequence[Operand]) -> list[Operand]:
    """What a value is computed of, at the place where an operand takes the value.

    Args:
        through: the operands of the operation that gives `value`, by its axes.
    """
    places = dict(zip(value.axes, operand.at, strict=True))
    return [inner.moved(places) for inner in through]


def _of(operator: Operator, operands: Sequence[Operand]) -> Operator:
    """The operator, for these operands."""
    values = [operand.value for operand in operands if isinstance(operand.value, Value)]
    return replace(operator, shared=all(value.shared for value in values))
