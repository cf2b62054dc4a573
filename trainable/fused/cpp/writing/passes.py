"""Passes: loops over long axes, the rows of the data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from shoal.trainable.fused.cpp.writing.entry import GIVE_UP
from shoal.trainable.fused.cpp.writing.listing import Listing, Places
from shoal.trainable.fused.cpp.writing.statements import JOIN, START, reduce, scatter, write_all
from shoal.trainable.fused.cpp.writing.tiles import of_each_row, over_rows
from shoal.trainable.fused.loops import Axis, Operation, Reduction, Scatter, Value, all_of, grouped

STRETCH = 64
"""Blocked summation: rows of a partial sum, which keeps the rounding error of long sums small. A
multiple of the rows of a tile (`ROWS` in ``prelude.hpp``)."""


def write_pass(
    listing: Listing,
    long: Axis,
    within: Sequence[Operation],
    sums: Sequence[Reduction],
    by_tiles: Collection[Value] | None,
) -> None:
    """Write one loop over a long axis.

    Args:
        within: what is computed of each row; sums: what is summed over the rows.
        by_tiles: take several rows at a time, and what is none of these values in the last update
            alone; None: rows one by one.
    """
    if by_tiles is None:
        rows = _one(listing, long, within, sums)
    else:
        rows = _tiles_of(listing, long, within, sums, by_tiles)

    def stretches(first: str, last: str, into: str) -> None:
        _parts(listing, sums, ("t", into), STRETCH, "stretch", (first, last), rows)

    def long_stretch(first: str, last: str) -> None:
        listing.say(GIVE_UP)
        stretches(first, last, "s")

    for operation in sums:
        listing.declare(operation.result, start=START[operation.how])
    sums = [operation for operation in sums if not isinstance(operation, Scatter)]
    whole, many = str(long.size), STRETCH * STRETCH
    if long.size > many:
        _parts(listing, sums, ("s", ""), many, "long_stretch", ("0", whole), long_stretch)
    else:
        stretches("0", whole, "")
    for operation in sums:
        if operation.divisor != 1:
            listing.each(operation.result, f"{{0}} = {{0}} / T({operation.divisor});")


Rows = Callable[[str, str], None]
"""Writes what is done of the rows from one place to another."""


def _one(
    listing: Listing, long: Axis, within: Sequence[Operation], sums: Sequence[Reduction]
) -> Rows:
    """One row after the other."""

    def rows(first: str, last: str) -> None:
        with listing.block(f"for (int64_t k = {first}; k < {last}; k++)"):
            write_all(listing, within, {long: "k"})
            for operation in sums:
                if isinstance(operation, Scatter):
                    scatter(listing, operation, {long: "k"})
                else:
                    _accumulate(listing, operation, {long: "k"})

    return rows


def _tiles_of(
    listing: Listing,
    long: Axis,
    within: Sequence[Operation],
    sums: Sequence[Reduction],
    always: Collection[Value],
) -> Rows:
    """R rows at a time. The last tile takes rows again where too few are left, and skips them where
    rows are summed up."""
    places = {long: "(k + r)"}

    def write(operations: Sequence[Operation], sums: Sequence[Reduction]) -> None:
        for group in grouped(operations):
            (operation, *_) = group
            if isinstance(operation, Reduction) and not isinstance(operation, Scatter):
                of_each_row(listing, operation, places, long)
            else:
                write_all(listing, group, places)
        for operation in sums:
            if not isinstance(operation, Scatter):
                over_rows(listing, operation, places, long)
                continue
            with listing.block("for (int64_t r = skip; r < R; r++)"):
                scatter(listing, operation, places)

    def rows(first: str, last: str) -> None:
        with listing.block(f"for (int64_t at = {first}; at < {last}; at += R)"):
            listing.say(
                f"const int64_t skip = at + R > {last} ? at + R - {last} : 0, k = at - skip;"
            )
            with listing.of_rows():
                write(*_both(within, sums, lambda value: value in always))
                later = _both(within, sums, lambda value: value not in always)
                if later[1]:
                    with listing.block("if (update + 1 == updates)"):
                        write(*later)

    return rows


def _both(
    within: Sequence[Operation], sums: Sequence[Reduction], which: Callable[[Value], bool]
) -> tuple[list[Operation], list[Reduction]]:
    """Those that give some values."""
    return [o for o in within if which(o.result)], [o for o in sums if which(o.result)]


def _parts(
    listing: Listing,
    sums: Sequence[Reduction],
    prefixes: tuple[str, str],
    count: int,
    name: str,
    ends: tuple[str, str],
    within: Rows,
) -> None:
    """Sum parts of an axis by themselves, `count` rows each, and then these sums.

    Args:
        prefixes: of the parts' sums, and of what they are added to.
        name: of the loop; ends: where it begins and ends.
    """
    (part, into), (first, last) = prefixes, ends
    with listing.block(f"for (int64_t {name} = {first}; {name} < {last}; {name} += {count})"):
        for operation in sums:
            listing.declare(operation.result, start=START[operation.how], prefix=part)
        end = f"{name} + {count} < {last} ? {name} + {count} : {last}"
        listing.say(f"const int64_t {name}_end = {end};")
        within(name, f"{name}_end")
        for operation in sums:
            joined = JOIN[operation.how].format(f"{into}{{0}}", f"{part}{{0}}")
            listing.each(operation.result, f"{into}{{0}} = {joined};")


def _accumulate(listing: Listing, operation: Reduction, places: Places) -> None:
    """Add one row to its sums."""
    axes = [axis for axis in operation.result.axes if axis not in places]
    small = [axis for axis in operation.over if axis not in places]

    def add(places: Places) -> None:
        into = listing.at(all_of(operation.result), places, "t")
        reduce(listing, operation, small, into, places)

    listing.sweep(axes, places, add)
