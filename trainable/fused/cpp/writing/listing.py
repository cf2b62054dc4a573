"""The source text of a kernel line by line, with the names of values and operands in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from shoal.trainable.fused.cpp.dialect import expression, in_steps
from shoal.trainable.fused.loops import Axis, Index, Loops, Map, Operand, Value, all_of, size

MAX_UNROLLED = 9
"""Unroll loops over at most 9 elements, which stay in registers; 12 spilled (measured)."""

Places = Mapping[Axis, str | int]
"""The loop variable, or the constant index, of each axis."""


class Listing:
    """The lines of a kernel as they come.

    Attributes:
        lines: so far.
    """

    def __init__(self, loops: Loops, *, unrolled: bool = True) -> None:
        """Begin with none, and name the values: p is given, d is data, v is computed."""
        self._long = loops.long
        self._names: dict[Value, str] = {v: f"p{i}" for i, v in enumerate(loops.inputs)}
        self._names.update({v: f"d{i}" for i, (v, _) in enumerate(loops.data)})
        for i, operation in enumerate(loops.operations):
            self._names[operation.result] = f"v{i}"
        self._held: dict[Value, int] = {}
        self.lines: list[str] = []
        self._depth = 1
        self._tiled = False
        self._most = MAX_UNROLLED if unrolled else 1

    def hold(self, slots: Mapping[Value, int]) -> None:
        """Let values be places of an array that is declared elsewhere: S, or B of truth values."""
        self._held.update(slots)
        for value, place in slots.items():
            array = "B" if value.truth else "S"
            self._names[value] = f"({array} + {place})"

    @contextmanager
    def function(self, name: str) -> Iterator[list[str]]:
        """Write lines into a function instead; yield them."""
        before, depth = self.lines, self._depth
        self.lines, self._depth = [], 0
        given = "Lanes<N> *__restrict S, Truth<N> *__restrict B, const T *const *data"
        made = self.lines
        with self.block(f"template <int N> static NOINLINE void {name}({given})"):
            yield made
        self.lines, self._depth = before, depth

    @contextmanager
    def of_rows(self) -> Iterator[None]:
        """Write lines for R rows of the data at a time: what there is of each row is an array, and
        ``r`` the place in it. Loops are left to the compiler, since the arrays are in memory."""
        self._tiled = True
        yield
        self._tiled = False

    def small(self, value: Value) -> tuple[Axis, ...]:
        """The axes of a value but for long ones."""
        return tuple(axis for axis in value.axes if axis not in self._long)

    @contextmanager
    def each_row(self, value: Value) -> Iterator[None]:
        """Write lines that are done for each of R rows, if there is one `value` of each."""
        if self._by_rows(value):
            with self.block("for (int r = 0; r < R; r++)"):
                yield
        else:
            yield

    def declare(self, value: Value, start: str | None = None, prefix: str = "") -> None:
        """Write a value's declaration, and what it is at first."""
        n = size(self.small(value))
        if value in self._held:
            return
        kind = "Truth<N>" if value.truth else "Lanes<N>"
        name = f"{prefix}{self._names[value]}{f'[{n}]' if n > 1 else ''}"
        self.say(f"{kind} {name}{'[R]' if self._by_rows(value) else ''};")
        if start is not None:
            self.each(value, f"{prefix}{{0}} = {start};")

    def each(self, value: Value, line: str, other: Value | None = None) -> None:
        """Write a line for each number of a lane: ``{0}``, number ``{e}`` of value, and ``{1}``."""

        def say(e: str | int) -> None:
            second = "" if other is None else self._element(other, e)
            self.say(line.format(self._element(value, e), second, e=e))

        n = size(self.small(value))
        if n > self._most:
            with self.block(f"for (int64_t e = 0; e < {n}; e++)"):
                say("e")
        else:
            for e in range(n):
                say(e)

    def moved(self, way: str, value: Value, array: str) -> None:
        """Write what loads a value from an array of rows, or stores it there (``arrays.hpp``)."""
        n = size(value.axes)
        if n > self._most:
            self.say(f"{way}_all<N, {n}>({self._names[value]}, {array}, first, fits);")
        else:
            self.each(value, f"{way}({{0}}, {array}, {n}, {{e}}, first, fits);")

    def sweep(self, axes: Iterable[Axis], places: Places, do: Callable[[Places], None]) -> None:
        """Write a loop nest over some axes, unrolled where they are small; `do` writes its body."""
        axes = list(axes)
        if not axes:
            do(places)
        elif size(axes) <= (1 if self._tiled else self._most):
            for i in range(axes[0].size):
                self.sweep(axes[1:], {**places, axes[0]: i}, do)
        else:
            name = f"i{axes[0].number}"
            with self.block(f"for (int64_t {name} = 0; {name} < {axes[0].size}; {name}++)"):
                self.sweep(axes[1:], {**places, axes[0]: name}, do)

    @contextmanager
    def block(self, head: str, end: str = "}") -> Iterator[None]:
        """Write lines inside braces."""
        self.say(head + " {")
        self._depth += 1
        yield
        self._depth -= 1
        self.say(end)

    def say(self, line: str) -> None:
        """Write a line."""
        self.lines.append("  " * self._depth + line)

    def mapped(self, operation: Map, places: Places) -> str:
        """Return the expression of an operation at one index."""
        operator = operation.operator
        texts = [
            f"truth<N>({self.at(operand, places)})"
            if i in operator.conditions
            else self.real(operand, places)
            for i, operand in enumerate(operation.operands)
        ]
        return expression(operator).format(*texts)

    def takes_rows_at_once(self, operation: Map) -> bool:
        """Whether an operation is written for R rows at once, where there is a result of each."""
        return self._by_rows(operation.result) and in_steps(operation.operator)

    def rows_at_once(self, operation: Map, places: Places) -> None:
        """Write an operation of one operand for R rows, a register of each."""
        (operand,) = operation.operands
        result = self.at(all_of(operation.result), places)
        made = expression(operation.operator).format("x").replace("<N>", "<R>")
        with self.block(""):
            self.say("Lanes<R> x;")
            self.say(f"EACH_OF(r, R) x.part[r] = {self.real(operand, places)}.part[0];")
            self.say(f"x = {made};")
            self.say(f"EACH_OF(r, R) {result}.part[0] = x.part[r];")

    def product(self, operands: Sequence[Operand], places: Places) -> str:
        """Return the product of operands at a place."""
        return " * ".join(self.real(operand, places) for operand in operands)

    def real(self, operand: Operand, places: Places) -> str:
        """An operand at a place as real numbers."""
        text = self.at(operand, places)
        is_truth = isinstance(operand.value, Value) and operand.value.truth
        return f"real<N>({text})" if is_truth else text

    def at(self, operand: Operand, places: Places, prefix: str = "") -> str:
        """Return an operand at a place, or a number."""
        value = operand.value
        if not isinstance(value, Value):
            return _number(value)
        terms: list[str | int] = []
        stride = 1
        whole = value.shared  # of the others there is one for the point at hand
        for axis, index in reversed(list(zip(value.axes, operand.at, strict=True))):
            if axis in self._long and not whole:
                continue
            at = _place(index, places) if index.by is None else self._looked_up(index.by, places)
            terms.append(at * stride if isinstance(at, int) else _times(at, stride))
            stride *= axis.size
        return self._element(value, _total(terms), prefix)

    def _looked_up(self, by: Operand, places: Places) -> str:
        """The place that data name."""
        return f"int64_t({self.at(by, places)})"

    def _by_rows(self, value: Value) -> bool:
        """Whether it is an array of R rows."""
        return self._tiled and any(axis in self._long for axis in value.axes)

    def _element(self, value: Value, place: str | int, prefix: str = "") -> str:
        name = f"{prefix}{self._names[value]}"
        row = "[r]" if self._by_rows(value) and not value.shared else ""
        if value.shared or value in self._held or size(self.small(value)) > 1:
            return f"{name}[{place}]{row}"
        return name + row


def _place(index: Index, places: Places) -> str | int:
    """A place along an axis."""
    given = [(places[axis], stride) for axis, stride in index.terms]
    terms = [at * by if isinstance(at, int) else _times(at, by) for at, by in given]
    total = _total([*terms, index.offset])
    if isinstance(total, int):
        return total // index.divisor
    if index.divisor > 1:
        return f"(({total}) / {index.divisor})"
    return total if total == given[0][0] else f"({total})"


def _total(terms: Sequence[str | int]) -> str | int:
    constant = sum(term for term in terms if isinstance(term, int))
    texts = [term for term in terms if isinstance(term, str)]
    if not texts:
        return constant
    return " + ".join([*texts, *([str(constant)] if constant else [])])


def _times(place: str, stride: int) -> str:
    return place if stride == 1 else f"{place} * {stride}"


def _number(number: float) -> str:
    if math.isnan(number):
        return "T(NAN)"
    if math.isinf(number):
        return "T(INFINITY)" if number > 0 else "T(-INFINITY)"
    return f"T({number.hex()})"
