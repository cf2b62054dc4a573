"""Factors of matrices, and solutions by them, several numbers of each fit at a time."""

from __future__ import annotations

from collections.abc import Callable

from shoal.trainable.fused.cpp.writing.listing import Listing, Places
from shoal.trainable.fused.loops import Axis, Cholesky, Operand, Solve, all_of

AT_ONCE = 6
"""Numbers that are computed at once: so many take what is fetched for one."""


def write_cholesky(listing: Listing, operation: Cholesky, places: Places) -> None:
    """Write a factor, column by column."""
    (matrix,), result, n = operation.operands, operation.result, operation.rows.size

    def at(operand: Operand, row: str, column: str) -> str:
        return listing.at(operand, {**places, operation.rows: row, operation.columns: column})

    def factor(row: str, column: str) -> str:
        return at(all_of(result), row, column)

    def numbers(count: int) -> None:
        listing.say(f"Lanes<N> s[{count}];")
        listing.say(f"EACH_OF(q, {count}) s[q] = {at(matrix, '(b + q)', 'a')};")
        with listing.block("for (int64_t c = 0; c < a; c++)"):
            listing.say(f"const Lanes<N> x = {factor('a', 'c')};")
            taken = f"subtract_product<N>({factor('(b + q)', 'c')}, x, s[q])"
            listing.say(f"EACH_OF(q, {count}) s[q] = {taken};")

    with listing.each_row(result), listing.block(f"for (int64_t a = 0; a < {n}; a++)"):
        listing.say(f"for (int64_t b = 0; b < a; b++) {factor('b', 'a')} = T(0);")
        listing.say("int64_t b = a;")
        with listing.block(""):
            numbers(1)
            root = "where<N>(s[0] > T(0), sqrt(s[0]), T(NAN))"
            listing.say(f"{factor('a', 'a')} = {root};")
        listing.say(f"const Lanes<N> pivot = {factor('a', 'a')};")

        def below(count: int) -> None:
            numbers(count)
            listing.say(f"EACH_OF(q, {count}) {factor('(b + q)', 'a')} = s[q] / pivot;")

        _in_blocks(listing, "b", "a + 1", n, below)


def write_solve(listing: Listing, operation: Solve, places: Places) -> None:
    """Write a solution, place by place along `operation.along`."""
    (matrix, right), result = operation.operands, operation.result
    n, along, unit = operation.rows.size, operation.along, operation.unit
    others = [axis for axis in result.axes if axis != along and axis not in places]
    last = max(others, key=lambda axis: axis.size, default=None)

    def factor(column: str) -> str:
        return listing.at(matrix, {**places, operation.rows: "a", operation.columns: column})

    def one(at: Places, beside: Axis | None) -> Callable[[int], None]:
        def inner(operand: Operand, place: str) -> str:
            here = {**at, along: place}
            return listing.at(operand, here if beside is None else {**here, beside: "(b + q)"})

        def numbers(count: int) -> None:
            listing.say(f"Lanes<N> s[{count}];")
            listing.say(f"EACH_OF(q, {count}) s[q] = {inner(right, 'a')};")
            first, end = ("a + 1", str(n)) if operation.upper else ("0", "a")
            with listing.block(f"for (int64_t c = {first}; c < {end}; c++)"):
                listing.say(f"const Lanes<N> x = {factor('c')};")
                taken = f"subtract_product<N>({inner(all_of(result), 'c')}, x, s[q])"
                listing.say(f"EACH_OF(q, {count}) s[q] = {taken};")
            divided = "" if unit else f" / {factor('a')}"
            listing.say(f"EACH_OF(q, {count}) {inner(all_of(result), 'a')} = s[q]{divided};")

        return numbers

    def each(at: Places) -> None:
        if last is None:
            one(at, None)(1)
        else:
            _in_blocks(listing, "b", "0", last.size, one(at, last))

    head = "for (int64_t a = 0; a < {0}; a++)"
    if operation.upper:
        head = "for (int64_t a = {0} - 1; a >= 0; a--)"
    with listing.each_row(result), listing.block(head.format(n)):
        listing.sweep([axis for axis in others if axis != last], places, each)


def _in_blocks(
    listing: Listing, name: str, first: str, end: int, write: Callable[[int], None]
) -> None:
    """Write a loop of several at once, and one for those that are left over."""
    listing.say(f"int64_t {name}_at = {first};")
    for count in (AT_ONCE, 1):
        head = f"for (; {name}_at + {count} <= {end}; {name}_at += {count})"
        with listing.block(head):
            listing.say(f"const int64_t {name} = {name}_at;")
            write(count)
