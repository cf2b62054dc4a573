"""Operations as statements: what is computed at one place of the long axes, number by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from shoal.trainable.fused.cpp.writing.factors import write_cholesky, write_solve
from shoal.trainable.fused.cpp.writing.listing import Listing, Places
from shoal.trainable.fused.loops import (
    Axis,
    Cholesky,
    Index,
    Joint,
    Map,
    Operand,
    Operation,
    Reduction,
    Scan,
    Scatter,
    Solve,
    all_of,
    grouped,
    size,
)

MAX_SEQUENTIAL_SUM = 16
"""Along small axes so many numbers are summed one after the other; more by partial sums, which
keeps the rounding error small."""

START: Mapping[str, str] = {"sum": "T(0)", "max": "T(-INFINITY)", "min": "T(INFINITY)"}
"""What a reduction begins with."""

JOIN: Mapping[str, str] = {
    "sum": "{0} + {1}",
    "max": "maximum({0}, {1})",
    "min": "minimum({0}, {1})",
}
"""What a reduction is after one more number."""


def write_all(listing: Listing, operations: Sequence[Operation], places: Places) -> None:
    """Write operations that follow each other, those of one loop together."""
    for group in grouped(operations):
        maps = [operation for operation in group if isinstance(operation, Map)]
        if len(maps) == len(group):
            _maps(listing, maps, places)
        else:
            for operation in group:
                write(listing, operation, places)


def _maps(listing: Listing, operations: Sequence[Map], places: Places) -> None:
    """Write operations on numbers of the same axes."""
    for operation in operations:
        listing.declare(operation.result)
    (axes, *_) = [operation.result.axes for operation in operations]

    def one(places: Places) -> None:
        for apart, some in groupby(operations, listing.takes_rows_at_once):
            if apart:
                for operation in some:
                    listing.rows_at_once(operation, places)
                continue
            several = list(some)
            with listing.each_row(several[0].result):
                for operation in several:
                    result = listing.at(all_of(operation.result), places)
                    listing.say(f"{result} = {listing.mapped(operation, places)};")

    listing.sweep([axis for axis in axes if axis not in places], places, one)


def write(listing: Listing, operation: Operation, places: Places) -> None:
    """Write one operation, along its small axes."""
    if isinstance(operation, Map):
        _maps(listing, [operation], places)
        return
    listing.declare(operation.result)
    result = all_of(operation.result)
    axes = [axis for axis in operation.result.axes if axis not in places]
    if isinstance(operation, Scatter):
        with listing.each_row(operation.result):
            listing.each(operation.result, "{0} = T(0);")
            scatter(listing, operation, places)
    elif isinstance(operation, Reduction):
        reduction: Reduction = operation

        def reduced(places: Places) -> None:
            into = listing.at(result, places)
            listing.say(f"{into} = {START[reduction.how]};")
            reduce(listing, reduction, reduction.over, into, places)
            if reduction.divisor != 1:
                listing.say(f"{into} = {into} / T({reduction.divisor});")

        listing.sweep(axes, places, reduced)
    elif isinstance(operation, Cholesky):
        write_cholesky(listing, operation, places)
    elif isinstance(operation, Solve):
        write_solve(listing, operation, places)
    elif isinstance(operation, Scan):
        _scan(listing, operation, [axis for axis in axes if axis != operation.along], places)
    else:
        _join(listing, operation, [axis for axis in axes if axis != operation.along], places)


def reduce(
    listing: Listing, operation: Reduction, axes: Sequence[Axis], into: str, places: Places
) -> None:
    """Write a reduction along some axes into a number."""

    def partial(name: str, within: Callable[[str], None]) -> None:
        listing.say(f"Lanes<N> {name} = {START[operation.how]};")
        within(name)
        listing.say(f"{into} = {JOIN[operation.how].format(into, name)};")

    in_parts(listing, axes, into, places, partial, lambda at, to: _add(listing, operation, to, at))


def in_parts(
    listing: Listing,
    axes: Sequence[Axis],
    into: str,
    places: Places,
    partial: Callable[[str, Callable[[str], None]], None],
    add: Callable[[Places, str], None],
) -> None:
    """Write the loops of a reduction; where there are many numbers, by partial sums.

    Args:
        into: the name of the sum.
        partial: given the name of a partial sum, and what writes its loops, writes it.
        add: given places and the name of a sum, writes how one number is added.
    """
    if size(axes) <= MAX_SEQUENTIAL_SUM:
        listing.sweep(axes, places, lambda at: add(at, into))
        return
    axis, *rest = axes
    name = f"i{axis.number}"
    each = max(1, MAX_SEQUENTIAL_SUM // size(rest))

    def within(part: str) -> None:
        end = f"{name}_0 + {each} < {axis.size} ? {name}_0 + {each} : {axis.size}"
        listing.say(f"const int64_t {name}_end = {end};")
        with listing.block(f"for (int64_t {name} = {name}_0; {name} < {name}_end; {name}++)"):
            in_parts(listing, rest, part, {**places, axis: name}, partial, add)

    with listing.block(f"for (int64_t {name}_0 = 0; {name}_0 < {axis.size}; {name}_0 += {each})"):
        partial(f"part{axis.number}", within)


def _add(listing: Listing, operation: Reduction, into: str, places: Places) -> None:
    """Add the product of the operands at one index, in one rounding."""
    *others, last = operation.operands
    one = listing.product([last], places)
    joined = JOIN[operation.how].format(into, one)
    if others:
        joined = f"multiply_add<N>({listing.product(others, places)}, {one}, {into})"
    listing.say(f"{into} = {joined};")


def scatter(listing: Listing, operation: Scatter, places: Places) -> None:
    """Add all numbers at some places of long axes, each where data say."""
    result, along, by = operation.result, operation.along, operation.by
    axes = [axis for axis in result.axes if axis != along]
    at = tuple(Index(by=by) if axis == along else Index.along(axis) for axis in result.axes)

    def add(places: Places) -> None:
        into = listing.at(Operand(result, at), places)
        _add(listing, operation, into, places)

    walked = [axis for axis in (*axes, *operation.over) if axis not in places]
    listing.sweep(walked, places, add)


def _scan(listing: Listing, operation: Scan, axes: Sequence[Axis], places: Places) -> None:
    """Write running sums: of so many numbers by themselves, and of these sums before."""
    (operand,), along, result = operation.operands, operation.along, operation.result

    def one(places: Places) -> None:
        target = listing.at(all_of(result), places)
        listing.say(f"part = part + {listing.real(operand, places)};")
        listing.say(f"{target} = whole + part;")
        place = places[along]
        if isinstance(place, str):
            with listing.block(f"if ({place} % {MAX_SEQUENTIAL_SUM} == {MAX_SEQUENTIAL_SUM - 1})"):
                listing.say("whole = whole + part;")
                listing.say("part = T(0);")

    def run(places: Places) -> None:
        with listing.each_row(result), listing.block(""):
            listing.say("Lanes<N> whole = T(0);")
            listing.say("Lanes<N> part = T(0);")
            listing.sweep([along], places, one)

    listing.sweep(axes, places, run)


def _join(listing: Listing, operation: Joint, axes: Sequence[Axis], places: Places) -> None:
    result = operation.result
    for operand, begins, own in operation.parts:

        def put(
            places: Places,
            operand: Operand = operand,
            begins: int = begins,
            own: Axis | None = own,
        ) -> None:
            at = tuple(
                Index.along(own, begins) if axis == operation.along else Index.along(axis)
                for axis in result.axes
            )
            target = listing.at(Operand(result, at), places)
            with listing.each_row(result):
                listing.say(f"{target} = real<N>({listing.at(operand, places)});")

        listing.sweep([*axes, *([own] if own else [])], places, put)
