"""The intermediate representation as it is built: operations, and views of their results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from shoal.trainable.fused.loops import (
    COPY,
    Axes,
    Axis,
    Cholesky,
    Dim,
    Joint,
    Map,
    NotLowered,
    Operand,
    Operation,
    Operator,
    Reduction,
    Scan,
    Scatter,
    Solve,
    Value,
    all_of,
    flat,
    of_number,
    promoted,
    size,
)
from shoal.trainable.fused.operations.shared import Shared
from shoal.trainable.fused.operations.view import View
from shoal.trainable.fused.operations.views import Views


def named(dtype: torch.dtype) -> str:
    """A dtype as it is written in a message."""
    return str(dtype).removeprefix("torch.")


@dataclass
class Assembly:
    """The operations so far.

    Attributes:
        dtype: what real numbers of the lanes are.
        lane: the lanes' axis.
        fed: what changes from update to update (`Shared`).
        places: how many places there are, by the values that are one of them (0, 1, …).
    """

    dtype: torch.dtype
    axes: Axes
    lane: Axis
    operations: list[Operation] = field(default_factory=list)
    fed: Sequence[torch.Tensor | None] | None = None
    places: dict[Value, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.views, self.shared = Views(self.axes, self.lane), Shared(self.axes, self.fed)

    def view(self, given: Any) -> View:
        """Return what an operation takes, as a view.

        Raises:
            NotLowered: it is neither a tensor nor a number.
        """
        if isinstance(given, View):
            return given
        if isinstance(given, torch.Tensor):
            return self.shared.view(given)
        if isinstance(given, (bool, int, float)):
            return View(Operand(float(given)), (), of_number(given), number=True)
        raise NotLowered(f"an operand that is {type(given).__name__}")

    def origin(self, view: View) -> Value | float:
        """Return the value that a view is of, whatever was copied in between."""
        value = view.operand.value
        copied = {o.result: o for o in self.operations if isinstance(o, Map)}
        while isinstance(value, Value) and value in copied:
            if copied[value].operator.name != COPY.name:
                break
            value = copied[value].operands[0].value
        return value

    def map(
        self,
        operator: Operator,
        views: Sequence[View],
        dims: Sequence[Dim],
        dtype: torch.dtype | None = None,
    ) -> View:
        """Add an operator, on views whose dimensions are in line.

        Args:
            dtype: of what it gives, if that is neither a truth value nor of `self.dtype`.
        """
        operands = tuple(view.operand for view in views)
        values = [operand.value for operand in operands if isinstance(operand.value, Value)]
        if all(value.shared for value in values):
            operator = operator.of_shared()
        result = Value(torch.bool if operator.truth else dtype or self.dtype, ())
        self.operations.append(Map(result, operator, operands))
        return self._made(result, [axis for o in operands for axis in o.axes], dims)

    def reduce(
        self,
        how: str,
        views: Sequence[View],
        over: Sequence[Dim],
        dims: Sequence[Dim],
        mean: bool = False,
    ) -> View:
        """Add a reduction of the product of views.

        Args:
            how: ``sum``, ``max`` or ``min``; mean: whether to divide by how many there are.
            over: the dimensions that go; dims: those that stay.

        Raises:
            NotLowered: there are no such kernels.
        """
        axes = flat(over)
        if any(self.axes.are_one(axis, self.lane) for axis in axes):
            raise NotLowered("a reduction over the stacked dimension")
        dtype = self.dtype
        if how == "sum" and not mean and [view.dtype for view in views] == [torch.bool]:
            dtype = torch.int64  # a count, kept in the loops' own dtype
            if size(axes) * torch.finfo(self.dtype).eps > 1:
                raise NotLowered("a count of more values than the dtype holds exactly")
        elif how != "sum" and all(view.dtype == torch.int64 for view in views):
            dtype = torch.int64  # one of them, kept likewise
        elif any(view.dtype != self.dtype for view in views):
            found = next(view.dtype for view in views if view.dtype != self.dtype)
            raise NotLowered(f"a reduction of {named(found)}")
        self.axes.check([*flat(dims), *axes])
        result = Value(dtype, ())
        operands = tuple(view.operand for view in views)
        divisor = math.prod(axis.size for axis in axes) if mean else 1
        self.operations.append(Reduction(result, how, operands, axes, divisor))
        gone = {self.axes.find(axis) for axis in axes}
        held = self._distinct([axis for operand in operands for axis in operand.axes])
        return self._made(result, [axis for axis in held if axis not in gone], dims)

    def cholesky(self, view: View) -> View:
        """Add the lower factor of a matrix, the last two dimensions.

        Raises:
            NotLowered: there are no such kernels.
        """
        rows, columns = self._matrix(view)
        result = Value(self.dtype, ())
        self.operations.append(Cholesky(result, (view.operand,), rows, columns))
        return self._made(result, [*view.operand.axes, rows, columns], view.dims)

    def solve(self, matrix: View, right: View, along: int, *, upper: bool, unit: bool) -> View:
        """Add the solution by a triangular matrix, along dimension `along` of the right side.

        Raises:
            NotLowered: there are no such kernels.
        """
        rows, columns = self._matrix(matrix)
        dims = list(right.dims)
        if len(dims[along]) != 1 or right.dtype != self.dtype:
            raise NotLowered("a solution along merged dimensions, or of another dtype")
        ((solved,), lead) = dims[along], len(dims) - len(matrix.dims)
        for i, dim in enumerate(matrix.dims[:-2]):
            dims[lead + i] = self.axes.unify(dims[lead + i], dim)
        result, operands = Value(self.dtype, ()), (matrix.operand, right.operand)
        self.operations.append(Solve(result, operands, rows, columns, solved, upper, unit))
        return self._made(result, flat(dims), dims)

    def _matrix(self, view: View) -> tuple[Axis, Axis]:
        """The axes of a matrix of each lane."""
        rows, columns = view.dims[-2:]
        if len(rows) != 1 or len(columns) != 1 or view.dtype != self.dtype:
            raise NotLowered("a factorisation of one number, or of another dtype")
        if any(self.axes.are_one(axis, self.lane) for axis in (*rows, *columns)):
            raise NotLowered("a factorisation of the stacked dimension")
        self.axes.check(flat(view.dims))
        return rows[0], columns[0]

    def scatter(self, view: View, by: Operand, over: Sequence[Dim], dims: Sequence[Dim]) -> View:
        """Add the sums of numbers that go to places along the one of `dims` that is not the view's.

        Args:
            by: the place of each number: of data; over: the dimensions that go.

        Raises:
            NotLowered: there are no such kernels.
        """
        if view.dtype != self.dtype:
            raise NotLowered(f"sums of {named(view.dtype)} by their places")
        over_axes = flat(over)
        if any(self.axes.are_one(axis, self.lane) for axis in over_axes):
            raise NotLowered("a reduction over the stacked dimension")
        known = {self.axes.find(axis) for axis in flat(view.dims)}
        (along,) = [axis for axis in flat(dims) if self.axes.find(axis) not in known]
        self.axes.check([*flat(dims), *over_axes])
        result = Value(self.dtype, ())
        self.operations.append(
            Scatter(result, "sum", (view.operand,), over_axes, along=along, by=by)
        )
        return self._made(result, flat(dims), dims)

    def scan(self, view: View, dim: int) -> View:
        """Add the sums of all numbers up to each place along dimension `dim`.

        Raises:
            NotLowered: there are no such kernels.
        """
        if len(view.dims[dim]) > 1 or view.dtype != self.dtype:
            raise NotLowered(f"running sums along merged dimensions, or of {named(view.dtype)}")
        if not view.dims[dim]:
            return view
        (axis,) = view.dims[dim]
        if self.axes.are_one(axis, self.lane):
            raise NotLowered("running sums along the stacked dimension")
        result = Value(self.dtype, ())
        self.operations.append(Scan(result, (view.operand,), axis))
        return self._made(result, [*view.operand.axes, axis], view.dims)

    def join(self, views: Sequence[View], own: Sequence[Dim], dim: int) -> View:
        """Concatenate views along dimension `dim`, which in each is the one of `own`.

        Raises:
            NotLowered: there are no such kernels.
        """
        if len(views) == 1:
            return views[0]
        (along,) = self.axes.new(sum(size(axes) for axes in own))
        if any(self.axes.are_one(axis, self.lane) for axis in flat(own)):
            raise NotLowered("a concatenation along the stacked dimension")
        others = [v.having([*v.dims[:dim], (), *v.dims[dim + 1 :]]) for v in views]
        others, dims = self.views.lined_up(others)
        dtype = promoted([view.kind for view in views])
        if dtype != self.dtype:
            raise NotLowered(f"a concatenation in {named(dtype)}")
        result, parts, place = Value(self.dtype, ()), [], 0
        for view, axes in zip(others, own, strict=True):
            parts.append((view.operand, place, axes[0] if axes else None))
            place += size(axes)
        self.operations.append(Joint(result, tuple(parts), along))
        dims[dim] = (along,)
        return self._made(result, flat(dims), dims)

    def _made(self, result: Value, axes: Sequence[Axis], dims: Sequence[Dim]) -> View:
        result.axes = tuple(self._distinct(axes))
        self.axes.check(result.axes)
        return View(all_of(result), tuple(dims), result.dtype)

    def _distinct(self, axes: Sequence[Axis]) -> list[Axis]:
        found = dict.fromkeys(self.axes.find(axis) for axis in axes)
        found.pop(self.axes.find(self.lane), None)
        return list(found)
