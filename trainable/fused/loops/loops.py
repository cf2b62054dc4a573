"""Loops over named axes: what a traced function is lowered to, and a kernel is written from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from shoal.trainable.fused.loops.axes import Axis
from shoal.trainable.fused.loops.operators import Operator


@dataclass(frozen=True)
class Index:
    """A place along an axis of a value: (Σ stride i + offset) // divisor, i the place in a loop.

    Attributes:
        terms: axes that are looped over, each with its stride; none: the place is a constant.
        by: whole numbers of the data, one of which is the place instead.
    """

    terms: tuple[tuple[Axis, int], ...] = ()
    offset: int = 0
    divisor: int = 1
    by: Operand | None = None

    @classmethod
    def along(cls, axis: Axis | None, offset: int = 0, stride: int = 1) -> Index:
        """Return places along one axis; None: a constant."""
        return cls(() if axis is None else ((axis, stride),), offset)

    @property
    def axes(self) -> list[Axis]:
        """Those that are looped over."""
        return [axis for axis, _ in self.terms] if self.by is None else self.by.axes

    def at(self, places: Mapping[Axis, Index]) -> Index:
        """Return the index where the places in some loops are given by others.

        Raises:
            ValueError: one of these is divided or looked up, and then multiplied or divided.
        """
        if self.by is not None:
            return replace(self, by=self.by.moved(places))
        terms: list[tuple[Axis, int]] = []
        offset = self.offset
        for axis, stride in self.terms:
            place = places.get(axis, Index.along(axis))
            if place.divisor > 1 or place.by is not None:
                if self.divisor > 1 or self.terms != ((axis, 1),) or (place.by and self.offset):
                    raise ValueError("an index of an index that is divided or looked up")
                return replace(place, offset=place.offset + self.offset * place.divisor)
            terms += [(of, stride * each) for of, each in place.terms]
            offset += stride * place.offset
        return Index(tuple(terms), offset, self.divisor)


@dataclass(eq=False)
class Value:
    """Numbers of each lane, or of the data.

    Attributes:
        dtype: the loops' own or bool; of the data, what it is in torch.
        axes: all but the lanes'; row by row.
        shared: whether it is of the data: the same for all lanes, and kept in the loops' own dtype.
    """

    dtype: torch.dtype
    axes: tuple[Axis, ...]
    shared: bool = False

    @property
    def truth(self) -> bool:
        """Whether it is truth values of each lane."""
        return self.dtype == torch.bool and not self.shared


@dataclass(frozen=True)
class Operand:
    """A value, or a number, as an operation takes it.

    Attributes:
        at: the place along each axis of the value.
    """

    value: Value | float
    at: tuple[Index, ...] = ()

    @property
    def axes(self) -> list[Axis]:
        """Those that a loop walks for it."""
        return [axis for index in self.at for axis in index.axes]

    def moved(self, places: Mapping[Axis, Index]) -> Operand:
        """Return the operand with other places in some loops (`Index.at`)."""
        return Operand(self.value, tuple(index.at(places) for index in self.at))


@dataclass(frozen=True)
class Map:
    """``result = operator(operands)``, number by number."""

    result: Value
    operator: Operator
    operands: tuple[Operand, ...]


@dataclass(frozen=True)
class Reduction:
    """The sum, maximum or minimum over some axes of the operands' product, by `divisor`."""

    result: Value
    how: str  # sum, max or min
    operands: tuple[Operand, ...]
    over: tuple[Axis, ...]
    divisor: int = 1


@dataclass(frozen=True)
class Scatter(Reduction):
    """A sum whose numbers go to places of the result along an axis that data name.

    Attributes:
        along: that axis; by: the place of each number along it.
    """

    along: Axis | None = None
    by: Operand | None = None


@dataclass(frozen=True)
class Joint:
    """Values side by side along an axis of the result; each begins at its place."""

    result: Value
    parts: tuple[tuple[Operand, int, Axis | None], ...]
    along: Axis


@dataclass(frozen=True)
class Scan:
    """The sums of all numbers up to each place along an axis."""

    result: Value
    operands: tuple[Operand]
    along: Axis


@dataclass(frozen=True)
class Cholesky:
    """The lower factor of a symmetric matrix; all NaN where a pivot is not positive.

    Attributes:
        rows, columns: axes of the operand, and of the result.
    """

    result: Value
    operands: tuple[Operand]
    rows: Axis
    columns: Axis


@dataclass(frozen=True)
class Solve:
    """The solution x of a x = b, where a is triangular.

    Attributes:
        operands: a and b.
        rows, columns: axes of a; along: that of b, and of x, which a is multiplied with.
        upper: whether a has numbers above its diagonal, else below; unit: whether its diagonal
            counts as 1.
    """

    result: Value
    operands: tuple[Operand, Operand]
    rows: Axis
    columns: Axis
    along: Axis
    upper: bool
    unit: bool


Factorisation = Cholesky | Solve
Operation = Map | Reduction | Joint | Scan | Factorisation


@dataclass(frozen=True, kw_only=True, eq=False)
class Fed:
    """How data are computed that change from update to update (batches of rows, noise).

    Attributes:
        count: how many tensors an update takes.
        compute: of these, contiguous: the tensors of `Loops.data`, in order. It raises what torch
            raises where an index is not within a tensor.
    """

    count: int
    compute: Callable[..., Sequence[torch.Tensor]]


@dataclass(frozen=True, kw_only=True)
class Loops:
    """A lowered function.

    Attributes:
        inputs: the values that come of each lane, in order.
        data: tensors that all lanes share, and the value that stands for each; those of the first
            update, where they change.
        operations: what is done, in order.
        outputs: what is given back of each lane; shapes: its shape.
        long: the long axes, no two of which one value has.
        work: numbers computed for each lane, those of costly functions counted many times.
        instructions: the same where a multiply-add, or several operations in one, is one.
        fed: how the data of an update are computed; None: they never change.
    """

    dtype: torch.dtype
    inputs: tuple[Value, ...]
    data: tuple[tuple[Value, torch.Tensor], ...]
    operations: tuple[Operation, ...]
    outputs: tuple[Value, ...]
    shapes: tuple[tuple[int, ...], ...]
    long: tuple[Axis, ...]
    work: int
    instructions: int
    fed: Fed | None = None


def operands_of(operation: Operation) -> tuple[Operand, ...]:
    """What an operation takes."""
    if isinstance(operation, Joint):
        given = [operand for operand, _, _ in operation.parts]
    else:
        given = list(operation.operands)
    if isinstance(operation, Scatter) and operation.by is not None:
        given.append(operation.by)
    given += [index.by for operand in given for index in operand.at if index.by is not None]
    return tuple(given)


def over(operation: Operation) -> tuple[Axis, ...]:
    """The axes that it reduces."""
    return operation.over if isinstance(operation, Reduction) else ()


def needed(operations: Sequence[Operation], wanted: Iterable[Value | float]) -> list[Operation]:
    """Return those that give what is wanted, or what these need, in order."""
    sought, found = set(wanted), []
    for operation in reversed(operations):
        if operation.result in sought:
            found.append(operation)
            sought.update(operand.value for operand in operands_of(operation))
    return found[::-1]


def all_of(value: Value) -> Operand:
    """Return a value as it is."""
    return Operand(value, tuple(Index.along(axis) for axis in value.axes))


def size(axes: Iterable[Axis]) -> int:
    """How many places there are along some axes."""
    return math.prod(axis.size for axis in axes)
