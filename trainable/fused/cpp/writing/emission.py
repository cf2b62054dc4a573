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

from collections.abc import Sequence

import torch

from shoal.trainable.fused.cpp.dialect import PRELUDE, called, defined
from shoal.trainable.fused.cpp.writing.chunks import chunked, is_long, slots
from shoal.trainable.fused.cpp.writing.entry import GIVE_UP, HEAD, tail
from shoal.trainable.fused.cpp.writing.listing import Listing
from shoal.trainable.fused.cpp.writing.outputs import without_copies
from shoal.trainable.fused.cpp.writing.passes import write_pass
from shoal.trainable.fused.cpp.writing.statements import write_all
from shoal.trainable.fused.cpp.writing.tiles import Shape, shape_of
from shoal.trainable.fused.loops import (
    Loops,
    Map,
    Operation,
    Reduction,
    Value,
    needed,
    operands_of,
    over,
    size,
)

_KINDS = {torch.float32: ("float", "int32_t"), torch.float64: ("double", "int64_t")}


def source(loops: Loops, carried: int, shape: Shape | None = None) -> str:
    """Return the C++ source of ``run(fits, updates, in, data, out, halt)``.

    ``in`` and ``out`` have an array for each input and output, a row for each fit; ``data`` has
    one for each of `loops.data`; where these change (`loops.fed`), so many for each update. It
    returns 0, and what is in ``out`` is of no use, where ``*halt`` was not 0 meanwhile; else 1.

    Args:
        carried: k, the number of loop-carried values: the first k inputs of update t + 1 are the
            last k outputs of update t. The other outputs are stored after the last update alone.
        shape: how much is done at once, which changes no number; None: what serves best.
    """
    return _Kernel(loops, carried, shape).text()


class _Kernel:
    def __init__(self, loops: Loops, carried: int, shape: Shape | None) -> None:
        loops = without_copies(loops)
        self._loops, self._carried = loops, carried
        self._long = is_long(loops)
        self._shape = shape or shape_of(loops, long=self._long)
        self._list = Listing(loops, unrolled=not (self._long and loops.long))
        self._functions: list[str] = []
        self._chunks = list(chunked(loops.operations)) if self._long and not loops.long else []
        self._slots = slots(loops, self._chunks) if self._chunks else {}
        self._list.hold(self._slots)

    def text(self) -> str:
        kind, integer = _KINDS[self._loops.dtype]
        self._kernel()
        head = f"#define REAL {kind}\n#define INTEGER {integer}\n"
        maps = (one for one in self._loops.operations if isinstance(one, Map))
        used = defined(name for one in maps for name in called(one.operator))
        functions = "\n".join(self._functions)
        end = tail(self._shape.registers, alone=bool(self._chunks))
        return head + PRELUDE + used + functions + HEAD + "\n".join(self._list.lines) + end

    def _kernel(self) -> None:
        if self._shape.tiled:
            self._list.say("enum { R = ROWS };")
        for i in range(len(self._loops.data)):
            self._list.say(f"const T *__restrict d{i} = data[{i}];")
        if self._chunks:
            for array, kind, truth in (("S", "Lanes<N>", False), ("B", "Truth<N>", True)):
                ends = [at + size(v.axes) for v, at in self._slots.items() if v.truth == truth]
                self._list.say(f"{kind} {array}[{max(ends, default=1)}];")
        for i, value in enumerate(self._loops.inputs):
            self._list.declare(value)
            self._list.moved("load", value, f"in[{i}]")
        if self._shape.tiled or self._long:
            self._at_once()
            return
        if self._carried:
            with self._list.block("for (int64_t update = 1; update < updates; update++)"):
                self._list.say(GIVE_UP)
                self._body(self._kept)
                self._carry()
                self._feed()
        self._body(self._loops.outputs)
        self._store()

    def _at_once(self) -> None:
        """All updates in one loop, so that a long text is compiled once."""
        with self._list.block("for (int64_t update = 0; update < updates; update++)"):
            self._list.say(GIVE_UP)
            self._feed()
            self._body(self._loops.outputs)
            with self._list.block("if (update + 1 == updates)"):
                self._store()
            self._carry()

    def _feed(self) -> None:
        """Let the data be those of an update, where they change."""
        count = len(self._loops.data)
        for i in range(count if self._loops.fed else 0):
            self._list.say(f"d{i} = data[update * {count} + {i}];")

    @property
    def _kept(self) -> Sequence[Value]:
        """The outputs that are the next update's inputs."""
        return self._loops.outputs[len(self._loops.outputs) - self._carried :]

    def _carry(self) -> None:
        """Let them be."""
        for value, output in zip(self._loops.inputs, self._kept, strict=False):
            self._list.each(value, "{0} = {1};", output)

    def _store(self) -> None:
        for i, value in enumerate(self._loops.outputs):
            self._list.moved("store", value, f"out[{i}]")

    # --- one update

    def _body(self, outputs: Sequence[Value]) -> None:
        """Compute some of the outputs: passes over long axes, and the operations between them."""
        if self._chunks:
            self._calls()
            return
        operations = needed(self._loops.operations, outputs)
        always: set[Value] | None = None
        if self._shape.tiled:
            always = {o.result for o in needed(self._loops.operations, self._kept)}
        ready = self._ready(operations)
        for step in range(max(ready.values(), default=0) + 1):
            here = [o for o in operations if ready[o.result] == step]
            write_all(
                self._list,
                [o for o in here if not self._inside(o.result) and not self._crosses(o)],
                {},
            )
            for long in self._loops.long:
                sums = [
                    o
                    for o in operations
                    if isinstance(o, Reduction) and long in o.over and ready[o.result] == step + 1
                ]
                if sums:
                    wanted = {o.value for operation in sums for o in operands_of(operation)}
                    inside = [o for o in operations if long in o.result.axes]
                    within = needed(inside, wanted)
                    write_pass(self._list, long, within, sums, always)

    def _calls(self) -> None:
        """Call the functions of all operations, one after the other."""
        count = len(self._loops.data)
        for i, chunk in enumerate(self._chunks):
            with self._list.function(f"chunk{i}") as lines:
                for j in range(count):
                    self._list.say(f"const T *__restrict d{j} = data[{j}];")
                write_all(self._list, chunk, {})
            self._functions += lines
            at = f"data + update * {count}" if self._loops.fed else "data"
            self._list.say(f"chunk{i}<N>(S, B, {at});")

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
