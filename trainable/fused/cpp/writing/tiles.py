"""Tiles: reductions of R rows of the data at once, several numbers of each side by side.

What a reduction takes of all rows, a weight, is fetched once for R of them; what it takes of a row,
once for several results. The sums of a tile are in registers meanwhile. Each sum is of the same
numbers in the same order as it is row by row, so that no size of a tile changes a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from shoal.trainable.fused.cpp.writing.listing import Listing, Places
from shoal.trainable.fused.cpp.writing.statements import JOIN, START, in_parts
from shoal.trainable.fused.loops import (
    Axis,
    Loops,
    Operand,
    Reduction,
    Value,
    all_of,
    passing,
    size,
)

MIN_HELD = 16
"""Numbers of a fit that products in a loop over rows take or sum up, from which on they are not all
in registers and several rows are worth while (measured)."""

MAX_ROWS = 8
"""Rows of a tile, of the largest (`ROWS` in ``prelude.hpp``)."""

MAX_HELD = 32768
"""Numbers of a fit that a kernel holds, of what is of a row for each row of a tile: with the widest
registers two mebibytes, which are on the stack."""

MAX_HELD_OF_FOUR = 4096
"""The same of four registers of fits, which would leave the second cache before."""

MIN_BLOCKED = 2
"""Results side by side from which on several are computed at once."""


@dataclass(frozen=True)
class Shape:
    """How much is done at once.

    Attributes:
        registers: full of fits, 1 or up to 4; 1 with tiles.
        tiled: whether several rows are taken at a time; how many, ``prelude.hpp`` says.
    """

    registers: int
    tiled: bool = False


def shape_of(loops: Loops, *, long: bool = False) -> Shape:
    """Return the shape of a kernel, by what it has to hold.

    Args:
        long: whether its text is: one of rows is written for one register full, which is as fast.
    """
    dropped = passing(loops.operations) - set(loops.outputs)
    results = (operation.result for operation in loops.operations)
    values = [*loops.inputs, *(value for value in results if value not in dropped)]
    once = sum(_small(value, loops) for value in values)
    of_rows = sum(_small(value, loops) for value in values if set(loops.long) & set(value.axes))
    enough = all(axis.size >= MAX_ROWS for axis in loops.long)
    fits = once + (MAX_ROWS - 1) * of_rows <= MAX_HELD
    if enough and fits and _held(loops) >= MIN_HELD:
        return Shape(registers=1, tiled=True)
    one = once > MAX_HELD_OF_FOUR or (long and bool(loops.long))
    return Shape(registers=1 if one else 4)


def _small(value: Value, loops: Loops) -> int:
    """How many numbers a value has at one place of the long axes."""
    return size(axis for axis in value.axes if axis not in loops.long)


def _held(loops: Loops) -> int:
    """How many numbers products in loops over rows take or sum up for all rows."""
    held: dict[Value, int] = {}
    rows = set(loops.long)
    for operation in loops.operations:
        if not isinstance(operation, Reduction) or len(operation.operands) < 2:
            continue
        if not rows & {*operation.result.axes, *operation.over}:
            continue
        for value in (operation.result, *(operand.value for operand in operation.operands)):
            if isinstance(value, Value) and not value.shared and not rows & set(value.axes):
                held[value] = size(value.axes)
    return sum(held.values())


def of_each_row(listing: Listing, operation: Reduction, places: Places, long: Axis) -> None:
    """Write a reduction within each of R rows.

    Args:
        places: where the rows are; long: their axis.
    """
    result = all_of(operation.result)
    listing.declare(operation.result)
    axes = [axis for axis in operation.result.axes if axis not in places]
    across = _largest(axes)
    rest = [axis for axis in axes if axis != across]

    def block(places: Places) -> None:
        with _blocks(listing, "j", "J", "RESULTS", across, places) as at:
            tile = _Tile(listing, operation, (("j", "J", across), ("r", "R", long)))
            tile.begin("sum", START[operation.how])
            tile.reduce(operation.over, "sum", at)
            divided = "" if operation.divisor == 1 else f" / T({operation.divisor})"
            tile.say(f"{listing.at(result, at)} = {tile.of('sum')}{divided};")

    listing.sweep(rest, places, block)


def over_rows(listing: Listing, operation: Reduction, places: Places, long: Axis) -> None:
    """Add R rows to sums over them, which begin with ``t``."""
    result = all_of(operation.result)
    axes = [axis for axis in operation.result.axes if axis not in places]
    across = _largest([axis for axis in axes if _of_lanes(operation, axis)])
    along = _largest([axis for axis in axes if axis != across])
    rest = [axis for axis in axes if axis not in (across, along)]
    small = [axis for axis in operation.over if axis != long]

    def block(places: Places) -> None:
        with (
            _blocks(listing, "j", "J", "SUMS", across, places) as there,
            _blocks(listing, "i", "I", "SUMS", along, there) as at,
        ):
            tile = _Tile(listing, operation, (("j", "J", across), ("i", "I", along)))
            tile.begin("sum", listing.at(result, at, "t"))
            with listing.block("for (int64_t r = skip; r < R; r++)"):
                tile.reduce(small, "sum", at)
            tile.say(f"{listing.at(result, at, 't')} = {tile.of('sum')};")

    listing.sweep(rest, places, block)


class _Tile:
    """A reduction of several sums at once, along one or two variables.

    Args:
        along: name, number and axis of each variable; without an axis it is 0.
    """

    def __init__(
        self,
        listing: Listing,
        operation: Reduction,
        along: Sequence[tuple[str, str, Axis | None]],
    ) -> None:
        self._listing, self._operation, self._along = listing, operation, along
        self._each = "".join(f"EACH_OF({name}, {count}) " for name, count, _ in along)
        self._counts = "".join(f"[{count}]" for _, count, _ in along)
        self._at = "".join(f"[{name}]" for name, _, _ in along)

    def say(self, statement: str) -> None:
        """Write a statement that is done for each sum."""
        self._listing.say(self._each + statement)

    def of(self, name: str) -> str:
        """The sum at hand, of those that have a name."""
        return name + self._at

    def begin(self, name: str, start: str) -> None:
        """Declare sums."""
        self._listing.say(f"Lanes<N> {name}{self._counts};")
        self.say(f"{self.of(name)} = {start};")

    def reduce(self, axes: Sequence[Axis], into: str, places: Places) -> None:
        """Write the loops over some axes."""
        how = self._operation.how

        def partial(name: str, within: Callable[[str], None]) -> None:
            self.begin(name, START[how])
            within(name)
            self.say(f"{self.of(into)} = {JOIN[how].format(self.of(into), self.of(name))};")

        in_parts(self._listing, axes, into, places, partial, self._add)

    def _add(self, places: Places, into: str) -> None:
        """Add what the operands give at one index to each sum; each is fetched once."""
        with self._listing.block(""):
            factors = [
                self._fetched(f"x{i}", operand, places)
                for i, operand in enumerate(self._operation.operands)
            ]
            *others, last = factors
            to = self.of(into)
            joined = JOIN[self._operation.how].format(to, last)
            if others:
                joined = f"multiply_add<N>({' * '.join(others)}, {last}, {to})"
            self.say(f"{to} = {joined};")

    def _fetched(self, name: str, operand: Operand, places: Places) -> str:
        """Write what fetches an operand for all sums; return it for the sum at hand."""
        text = self._listing.real(operand, places)
        if not isinstance(operand.value, Value):
            return text
        axes = operand.axes
        of = [(n, count) for n, count, axis in self._along if axis is not None and axis in axes]
        if len(of) == len(self._along):
            return text  # one of each sum
        kind = "T" if operand.value.shared else "Lanes<N>"
        if not of:
            self._listing.say(f"const {kind} {name} = {text};")
            return name
        ((variable, count),) = of
        self._listing.say(f"{kind} {name}[{count}];")
        self._listing.say(f"EACH_OF({variable}, {count}) {name}[{variable}] = {text};")
        return f"{name}[{variable}]"


@contextmanager
def _blocks(
    listing: Listing, name: str, count: str, most: str, axis: Axis | None, places: Places
) -> Iterator[Places]:
    """Write a loop over an axis by blocks; yield the places of a number in one."""
    if axis is None:
        with listing.block(""):
            listing.say(f"enum {{ {count} = 1 }};")
            yield places
        return
    head = f"in_blocks<{axis.size}, {most}>([&](auto {name}_count, int64_t {name}_first) ALWAYS"
    with listing.block(head, "});"):
        listing.say(f"enum {{ {count} = decltype({name}_count)::value }};")
        yield {**places, axis: f"({name}_first + {name})"}


def _largest(axes: Sequence[Axis]) -> Axis | None:
    """The largest of some axes, if it is worth a block."""
    found = max(axes, key=_size, default=None)
    return found if found is not None and found.size >= MIN_BLOCKED else None


def _size(axis: Axis) -> int:
    return axis.size


def _of_lanes(operation: Reduction, axis: Axis) -> bool:
    """Whether an operand that is not shared has an axis."""
    return any(
        isinstance(operand.value, Value) and not operand.value.shared and axis in operand.axes
        for operand in operation.operands
    )
