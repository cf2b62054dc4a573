"""Emission: lowered loops as C++, a kernel that does many updates of many fits.

    for each handful of fits, side by side in registers
        for each update
            what needs no point of the data
            for each point of the data (a long axis): residuals, and what is summed over them
            what needs these sums; then perhaps the points once more

So a lane's numbers are in registers or the first cache from its first update in a call to the last,
each point is fetched once for a handful of lanes, and no sum crosses lanes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from trainable.axes import Axis
from trainable.loops import (
    Index,
    Joint,
    Loops,
    Map,
    Operand,
    Operation,
    Reduction,
    Value,
    all_of,
    needed,
    operands_of,
    over,
    size,
)

TILE = 64
"""Points that are summed before they join the whole sum: the error of long sums stays small."""

MOST_UNROLLED = 16
"""Numbers along small axes that are written out one by one; they stay in registers."""

Places = Mapping[Axis, str | int]
"""Where a loop stands along each axis."""

_PRELUDE = Path(__file__).with_name("prelude.hpp")

_KINDS = {torch.float32: ("float", "int32_t"), torch.float64: ("double", "int64_t")}

_START = {"sum": "T(0)", "max": "T(-INFINITY)", "min": "T(INFINITY)"}
_JOIN = {"sum": "{0} + {1}", "max": "maximum({0}, {1})", "min": "minimum({0}, {1})"}

HEAD = """
template <int N>
static void some(int64_t first, int64_t fits, int64_t updates, const T *const *in,
                 const T *const *data, T *const *out) {
"""
"""Of the fits from `first` on, a handful: N registers full."""

TAIL = """
}

extern "C" void run(int64_t fits, int64_t updates, const T *const *in, const T *const *data,
                    T *const *out) {
  int64_t first = 0;
  for (; fits - first > 2 * EACH; first += 4 * EACH) some<4>(first, fits, updates, in, data, out);
  for (; first < fits; first += EACH) some<1>(first, fits, updates, in, data, out);
}
"""
"""Four registers at a time take as long as three, one after the other."""


def source(loops: Loops, carried: int) -> str:
    """Return the C++ source of ``run(fits, updates, in, data, out)``.

    ``in`` and ``out`` have an array for each input and output, a row for each fit; ``data`` has
    one for each of `loops.data`.

    Args:
        carried: how many inputs, the first, become in each update what the last outputs are: the
            last so many but for none. The other outputs are told of the last update alone.
    """
    return _Kernel(loops, carried).text()


class _Kernel:
    def __init__(self, loops: Loops, carried: int) -> None:
        self._loops, self._carried = loops, carried
        self._names: dict[Value, str] = {v: f"p{i}" for i, v in enumerate(loops.inputs)}
        self._names.update({v: f"d{i}" for i, (v, _) in enumerate(loops.data)})
        results = (operation.result for operation in loops.operations)
        self._names.update({v: f"v{i}" for i, v in enumerate(results)})
        self._lines: list[str] = []
        self._depth = 0

    def text(self) -> str:
        kind, integer = _KINDS[self._loops.dtype]
        prelude = _PRELUDE.read_text(encoding="utf-8")
        self._kernel()
        head = f"#define REAL {kind}\n#define INTEGER {integer}\n"
        return head + prelude + HEAD + "\n".join(self._lines) + TAIL

    def _kernel(self) -> None:
        self._depth = 1
        for i in range(len(self._loops.data)):
            self._say(f"const T *__restrict d{i} = data[{i}];")
        for i, value in enumerate(self._loops.inputs):
            n = size(value.axes)
            self._declare(value)
            self._each(value, f"load({{0}}, in[{i}], {n}, {{e}}, first, fits);")
        if self._carried:
            with self._block("for (int64_t update = 1; update < updates; update++)"):
                self._carry()
        self._body(self._loops.outputs)
        for i, output in enumerate(self._loops.outputs):
            assert isinstance(output.value, Value)
            n = size(output.value.axes)
            self._each(output.value, f"store({{0}}, out[{i}], {n}, {{e}}, first, fits);")

    def _carry(self) -> None:
        """An update of which nothing is told."""
        outputs = self._loops.outputs[len(self._loops.outputs) - self._carried :]
        self._body(outputs)
        for value, output in zip(self._loops.inputs, outputs, strict=False):
            self._each(value, "{0} = {1};", output.value)

    # --- one update

    def _body(self, outputs: Sequence[Operand]) -> None:
        """What gives some of the outputs: passes over long axes, and what lies between."""
        operations = needed(self._loops.operations, {output.value for output in outputs})
        ready = self._ready(operations)
        for step in range(max(ready.values(), default=0) + 1):
            here = [o for o in operations if ready[o.result] == step]
            for operation in here:
                if not self._inside(operation.result) and not self._crosses(operation):
                    self._compute(operation, {})
            for long in self._loops.long:
                sums = [
                    o for o in operations
                    if isinstance(o, Reduction) and long in o.over and ready[o.result] == step + 1
                ]  # fmt: skip
                if sums:
                    self._pass(long, sums, operations)

    def _ready(self, operations: Sequence[Operation]) -> dict[Value, int]:
        """How many passes must be over before each result is there."""
        ready: dict[Value, int] = {}
        for operation in operations:
            values = [o.value for o in operands_of(operation) if isinstance(o.value, Value)]
            after = max((ready.get(value, 0) for value in values), default=0)
            ready[operation.result] = after + self._crosses(operation)
        return ready

    def _inside(self, value: Value) -> bool:
        """Whether there is one of it for each point of a long axis."""
        return any(axis in self._loops.long for axis in value.axes)

    def _crosses(self, operation: Operation) -> bool:
        """Whether it needs all points of a long axis."""
        return any(axis in self._loops.long for axis in over(operation))

    def _pass(self, long: Axis, sums: Sequence[Reduction], operations: Sequence[Operation]) -> None:
        """Once over a long axis."""
        for operation in sums:
            self._declare(operation.result, start=_START[operation.how])
        with self._block(f"for (int64_t tile = 0; tile < {long.size}; tile += {TILE})"):
            for operation in sums:
                self._declare(operation.result, start=_START[operation.how], prefix="t")
            last = f"tile + {TILE} < {long.size} ? tile + {TILE} : {long.size}"
            self._say(f"const int64_t end = {last};")
            with self._block("for (int64_t k = tile; k < end; k++)"):
                wanted = {o.value for operation in sums for o in operands_of(operation)}
                inside = [o for o in operations if long in o.result.axes]
                for needs in needed(inside, wanted):
                    self._compute(needs, {long: "k"})
                for operation in sums:
                    self._accumulate(operation, {long: "k"})
            for operation in sums:
                self._each(
                    operation.result, f"{{0}} = {_JOIN[operation.how]};".replace("{1}", "t{0}")
                )
        for operation in sums:
            if operation.divisor != 1:
                self._each(operation.result, f"{{0}} = {{0}} / T({operation.divisor});")

    def _accumulate(self, operation: Reduction, places: Places) -> None:
        """Add one point to its sums."""
        axes = [axis for axis in (*operation.result.axes, *operation.over) if axis not in places]

        def add(places: Places) -> None:
            into = self._at(all_of(operation.result), places, prefix="t")
            joined = _JOIN[operation.how].format(into, self._product(operation, places))
            self._say(f"{into} = {joined};")

        self._sweep(axes, places, add)

    def _compute(self, operation: Operation, places: Places) -> None:
        """One result, along its small axes."""
        self._declare(operation.result)
        result = all_of(operation.result)
        axes = [axis for axis in operation.result.axes if axis not in places]
        if isinstance(operation, Map):
            mapped: Map = operation

            def one(places: Places) -> None:
                self._say(f"{self._at(result, places)} = {self._mapped(mapped, places)};")

            self._sweep(axes, places, one)
        elif isinstance(operation, Reduction):
            reduction: Reduction = operation

            def reduced(places: Places) -> None:
                into = self._at(result, places)
                self._say(f"{into} = {_START[reduction.how]};")

                def add(places: Places) -> None:
                    joined = _JOIN[reduction.how].format(into, self._product(reduction, places))
                    self._say(f"{into} = {joined};")

                self._sweep(reduction.over, places, add)
                if reduction.divisor != 1:
                    self._say(f"{into} = {into} / T({reduction.divisor});")

            self._sweep(axes, places, reduced)
        else:
            self._join(operation, [axis for axis in axes if axis != operation.along], places)

    def _join(self, operation: Joint, axes: Sequence[Axis], places: Places) -> None:
        result = operation.result
        for operand, begins, own in operation.parts:

            def put(places: Places, operand: Operand = operand, begins: int = begins,
                    own: Axis | None = own) -> None:  # fmt: skip
                at = tuple(
                    (Index(own, begins) if own else Index(None, begins))
                    if axis == operation.along else Index(axis)
                    for axis in result.axes
                )  # fmt: skip
                target = self._at(Operand(result, at), places)
                self._say(f"{target} = real<N>({self._at(operand, places)});")

            self._sweep([*axes, *([own] if own else [])], places, put)

    # --- expressions

    def _mapped(self, operation: Map, places: Places) -> str:
        operator = operation.operator
        texts = []
        for i, operand in enumerate(operation.operands):
            text = self._at(operand, places)
            is_truth = isinstance(operand.value, Value) and operand.value.kind == "mask"
            if i in operator.conditions:
                text = f"truth<N>({text})"
            elif is_truth:
                text = f"real<N>({text})"
            texts.append(text)
        return operator.text.format(*texts)

    def _product(self, operation: Reduction, places: Places) -> str:
        return " * ".join(self._at(operand, places) for operand in operation.operands)

    def _at(self, operand: Operand, places: Places, prefix: str = "") -> str:
        """An operand at a place, or a number."""
        value = operand.value
        if not isinstance(value, Value):
            return _number(value)
        terms: list[str | int] = []
        stride = 1
        whole = value.kind == "data"  # of the others there is one for the point at hand
        for axis, index in reversed(list(zip(value.axes, operand.at, strict=True))):
            if axis in self._loops.long and not whole:
                continue
            at: str | int = index.offset
            if index.axis is not None:
                place = places[index.axis]
                at = (
                    place + index.offset
                    if isinstance(place, int)
                    else (f"({place} + {index.offset})" if index.offset else place)
                )
            terms.append(at * stride if isinstance(at, int) else _times(at, stride))
            stride *= axis.size
        return self._element(value, _total(terms), prefix)

    def _element(self, value: Value | float, place: str | int, prefix: str = "") -> str:
        assert isinstance(value, Value)
        name = f"{prefix}{self._names[value]}"
        if value.kind == "data" or size(self._small(value)) > 1:
            return f"{name}[{place}]"
        return name

    # --- text

    def _small(self, value: Value) -> tuple[Axis, ...]:
        return tuple(axis for axis in value.axes if axis not in self._loops.long)

    def _declare(self, value: Value, start: str | None = None, prefix: str = "") -> None:
        n = size(self._small(value))
        kind = "Truth<N>" if value.kind == "mask" else "Lanes<N>"
        name = f"{prefix}{self._names[value]}"
        self._say(f"{kind} {name}{f'[{n}]' if n > 1 else ''};")
        if start is not None:
            self._each(value, f"{prefix}{{0}} = {start};")

    def _each(self, value: Value | float, line: str, other: Value | float = 0.0) -> None:
        """A line for each number of a lane: ``{0}``, which is number ``{e}``, and ``{1}``."""
        assert isinstance(value, Value)

        def say(e: str | int) -> None:
            second = self._element(other, e) if isinstance(other, Value) else ""
            self._say(line.format(self._element(value, e), second, e=e))

        n = size(self._small(value))
        if n > MOST_UNROLLED:
            with self._block(f"for (int64_t e = 0; e < {n}; e++)"):
                say("e")
        else:
            for e in range(n):
                say(e)

    def _sweep(self, axes: Iterable[Axis], places: Places, do: Callable[[Places], None]) -> None:
        """Do something at each place along some axes: written out where they are few, or looped."""
        axes = list(axes)
        if not axes:
            do(places)
        elif size(axes) <= MOST_UNROLLED:
            for i in range(axes[0].size):
                self._sweep(axes[1:], {**places, axes[0]: i}, do)
        else:
            name = f"i{axes[0].number}"
            with self._block(f"for (int64_t {name} = 0; {name} < {axes[0].size}; {name}++)"):
                self._sweep(axes[1:], {**places, axes[0]: name}, do)

    @contextmanager
    def _block(self, head: str) -> Iterator[None]:
        self._say(head + " {")
        self._depth += 1
        yield
        self._depth -= 1
        self._say("}")

    def _say(self, line: str) -> None:
        self._lines.append("  " * self._depth + line)


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
