"""Code generation: lowered loops as C++, a kernel that does many updates of many fits.

    for each handful of fits, side by side in registers
        for each update
            what needs no point of the data
            for each point of the data (a long axis): residuals, and what is summed over them
            what needs these sums; then perhaps the points once more

So a lane's numbers are in registers or the first cache from its first update in a call to the last,
each point is fetched once for a handful of lanes, and no sum crosses lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from shoal.trainable.fused.cpp.entry import GIVE_UP, HEAD, TAIL
from shoal.trainable.fused.cpp.functions import defined
from shoal.trainable.fused.cpp.listing import Listing, Places
from shoal.trainable.fused.cpp.operators import called
from shoal.trainable.fused.loops import (
    Axis,
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
"""Blocked summation: points of a partial sum, which keeps the rounding error of long sums small."""

MAX_SEQUENTIAL_SUM = 16
"""The same along small axes: so many numbers are summed one after the other."""

_PRELUDE = Path(__file__).with_name("prelude.hpp")

_KINDS = {torch.float32: ("float", "int32_t"), torch.float64: ("double", "int64_t")}

_START = {"sum": "T(0)", "max": "T(-INFINITY)", "min": "T(INFINITY)"}
_JOIN = {"sum": "{0} + {1}", "max": "maximum({0}, {1})", "min": "minimum({0}, {1})"}


def source(loops: Loops, carried: int) -> str:
    """Return the C++ source of ``run(fits, updates, in, data, out, halt)``.

    ``in`` and ``out`` have an array for each input and output, a row for each fit; ``data`` has
    one for each of `loops.data`; where these change (`loops.fed`), so many for each update. It
    returns 0, and what is in ``out`` is of no use, where ``*halt`` was not 0 meanwhile; else 1.

    Args:
        carried: k, the number of loop-carried values: the first k inputs of update t + 1 are the
            last k outputs of update t. The other outputs are stored after the last update alone.
    """
    return _Kernel(loops, carried).text()


class _Kernel:
    def __init__(self, loops: Loops, carried: int) -> None:
        self._loops, self._carried = loops, carried
        self._list = Listing(loops)

    def text(self) -> str:
        kind, integer = _KINDS[self._loops.dtype]
        prelude = _PRELUDE.read_text(encoding="utf-8")
        self._kernel()
        head = f"#define REAL {kind}\n#define INTEGER {integer}\n"
        maps = (one for one in self._loops.operations if isinstance(one, Map))
        prelude += defined(name for one in maps for name in called(one.operator))
        return head + prelude + HEAD + "\n".join(self._list.lines) + TAIL

    def _kernel(self) -> None:
        count = len(self._loops.data)
        for i in range(count):
            self._list.say(f"const T *__restrict d{i} = data[{i}];")
        for i, value in enumerate(self._loops.inputs):
            n = size(value.axes)
            self._list.declare(value)
            self._list.each(value, f"load({{0}}, in[{i}], {n}, {{e}}, first, fits);")
        if self._carried:
            with self._list.block("for (int64_t update = 1; update < updates; update++)"):
                self._list.say(GIVE_UP)
                self._carry()
                for i in range(count if self._loops.fed else 0):
                    self._list.say(f"d{i} = data[update * {count} + {i}];")
        self._body(self._loops.outputs)
        for i, value in enumerate(self._loops.outputs):
            n = size(value.axes)
            self._list.each(value, f"store({{0}}, out[{i}], {n}, {{e}}, first, fits);")

    def _carry(self) -> None:
        """One update whose outputs are not stored."""
        outputs = self._loops.outputs[len(self._loops.outputs) - self._carried :]
        self._body(outputs)
        for value, output in zip(self._loops.inputs, outputs, strict=False):
            self._list.each(value, "{0} = {1};", output)

    # --- one update

    def _body(self, outputs: Sequence[Value]) -> None:
        """Compute some of the outputs: passes over long axes, and the operations between them."""
        operations = needed(self._loops.operations, outputs)
        ready = self._ready(operations)
        for step in range(max(ready.values(), default=0) + 1):
            here = [o for o in operations if ready[o.result] == step]
            for operation in here:
                if not self._inside(operation.result) and not self._crosses(operation):
                    self._compute(operation, {})
            for long in self._loops.long:
                sums = [
                    o
                    for o in operations
                    if isinstance(o, Reduction) and long in o.over and ready[o.result] == step + 1
                ]
                if sums:
                    self._pass(long, sums, operations)

    def _ready(self, operations: Sequence[Operation]) -> dict[Value, int]:
        """The number of passes that must end before each result is known."""
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
        """One loop over a long axis, in tiles; where there are many, in tiles of tiles."""
        wanted = {o.value for operation in sums for o in operands_of(operation)}
        inside = [o for o in operations if long in o.result.axes]
        needs = needed(inside, wanted)

        def points(first: str, last: str) -> None:
            with self._list.block(f"for (int64_t k = {first}; k < {last}; k++)"):
                for operation in needs:
                    self._compute(operation, {long: "k"})
                for operation in sums:
                    self._accumulate(operation, {long: "k"})

        def tiles(first: str, last: str, into: str) -> None:
            self._parts(sums, ("t", into), TILE, "tile", (first, last), points)

        def stretch(first: str, last: str) -> None:
            self._list.say(GIVE_UP)
            tiles(first, last, "s")

        for operation in sums:
            self._list.declare(operation.result, start=_START[operation.how])
        whole = str(long.size)
        if long.size > TILE * TILE:
            self._parts(sums, ("s", ""), TILE * TILE, "stretch", ("0", whole), stretch)
        else:
            tiles("0", whole, "")
        for operation in sums:
            if operation.divisor != 1:
                self._list.each(operation.result, f"{{0}} = {{0}} / T({operation.divisor});")

    def _parts(
        self,
        sums: Sequence[Reduction],
        prefixes: tuple[str, str],
        count: int,
        name: str,
        ends: tuple[str, str],
        within: Callable[[str, str], None],
    ) -> None:
        """Sum parts of an axis by themselves, `count` points each, and then these sums.

        Args:
            prefixes: of the parts' sums, and of what they are added to.
            name: of the loop; ends: where it begins and ends.
            within: writes what sums from one place to another.
        """
        (part, into), (first, last) = prefixes, ends
        with self._list.block(
            f"for (int64_t {name} = {first}; {name} < {last}; {name} += {count})"
        ):
            for operation in sums:
                self._list.declare(operation.result, start=_START[operation.how], prefix=part)
            end = f"{name} + {count} < {last} ? {name} + {count} : {last}"
            self._list.say(f"const int64_t {name}_end = {end};")
            within(name, f"{name}_end")
            for operation in sums:
                joined = _JOIN[operation.how].format(f"{into}{{0}}", f"{part}{{0}}")
                self._list.each(operation.result, f"{into}{{0}} = {joined};")

    def _accumulate(self, operation: Reduction, places: Places) -> None:
        """Add one point to its sums."""
        axes = [axis for axis in operation.result.axes if axis not in places]
        over = [axis for axis in operation.over if axis not in places]

        def add(places: Places) -> None:
            into = self._list.at(all_of(operation.result), places, "t")
            self._gather(operation, over, into, places)

        self._list.sweep(axes, places, add)

    def _gather(
        self, operation: Reduction, axes: Sequence[Axis], into: str, places: Places
    ) -> None:
        """Reduce along some axes; many numbers by partial sums."""
        if size(axes) <= MAX_SEQUENTIAL_SUM:
            self._list.sweep(axes, places, lambda at: self._add(operation, into, at))
            return
        axis, *rest = axes
        name, part = f"i{axis.number}", f"part{axis.number}"
        each = max(1, MAX_SEQUENTIAL_SUM // size(rest))
        with self._list.block(
            f"for (int64_t {name}_0 = 0; {name}_0 < {axis.size}; {name}_0 += {each})"
        ):
            self._list.say(f"Lanes<N> {part} = {_START[operation.how]};")
            end = f"{name}_0 + {each} < {axis.size} ? {name}_0 + {each} : {axis.size}"
            self._list.say(f"const int64_t {name}_end = {end};")
            with self._list.block(
                f"for (int64_t {name} = {name}_0; {name} < {name}_end; {name}++)"
            ):
                self._gather(operation, rest, part, {**places, axis: name})
            self._list.say(f"{into} = {_JOIN[operation.how].format(into, part)};")

    def _add(self, operation: Reduction, into: str, places: Places) -> None:
        """Add the product of the operands at one index, in one rounding."""
        *others, last = operation.operands
        one = self._list.product([last], places)
        joined = _JOIN[operation.how].format(into, one)
        if others:
            joined = f"multiply_add<N>({self._list.product(others, places)}, {one}, {into})"
        self._list.say(f"{into} = {joined};")

    def _compute(self, operation: Operation, places: Places) -> None:
        """One result, along its small axes."""
        self._list.declare(operation.result)
        result = all_of(operation.result)
        axes = [axis for axis in operation.result.axes if axis not in places]
        if isinstance(operation, Map):
            mapped: Map = operation

            def one(places: Places) -> None:
                self._list.say(
                    f"{self._list.at(result, places)} = {self._list.mapped(mapped, places)};"
                )

            self._list.sweep(axes, places, one)
        elif isinstance(operation, Reduction):
            reduction: Reduction = operation

            def reduced(places: Places) -> None:
                into = self._list.at(result, places)
                self._list.say(f"{into} = {_START[reduction.how]};")

                self._gather(reduction, reduction.over, into, places)
                if reduction.divisor != 1:
                    self._list.say(f"{into} = {into} / T({reduction.divisor});")

            self._list.sweep(axes, places, reduced)
        else:
            self._join(operation, [axis for axis in axes if axis != operation.along], places)

    def _join(self, operation: Joint, axes: Sequence[Axis], places: Places) -> None:
        result = operation.result
        for operand, begins, own in operation.parts:

            def put(
                places: Places,
                operand: Operand = operand,
                begins: int = begins,
                own: Axis | None = own,
            ) -> None:
                at = tuple(
                    (Index(own, begins) if own else Index(None, begins))
                    if axis == operation.along
                    else Index(axis)
                    for axis in result.axes
                )
                target = self._list.at(Operand(result, at), places)
                self._list.say(f"{target} = real<N>({self._list.at(operand, places)});")

            self._list.sweep([*axes, *([own] if own else [])], places, put)
