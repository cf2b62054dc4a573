"""The partition of a trace: which of its operations are kernels, and which are left to torch.

    stage 0     a kernel, then calls of torch that take what it gives
    stage 1     a kernel that takes what these give too, then calls ...

An operation that cannot be lowered is a call; all others are in the kernel of the first stage at
which what they take is there. A view is in whatever takes it. What does not depend on the lanes is
computed wherever it is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch.fx import GraphModule, Node

from shoal.trainable.fused import LANES, is_in_place, lower, lowers
from shoal.trainable.fused.loops import Limits, Loops, NotLowered
from shoal.trainable.fused.operations import name_of
from shoal.trainable.fused.pieces.changes import functional
from shoal.trainable.fused.pieces.part import Part
from shoal.trainable.fused.pieces.trace import Trace, is_part, made_by, root, taken

MAX_CALLS = 100
"""Calls of torch in one step: a trace with more is not divided."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A kernel, and the calls that follow it; nodes by their number in the trace.

    Attributes:
        loops: of the kernel; None: there is none.
        given: what the kernel takes of each lane; made: what it gives.
        calls: in order; kept: what of them, or of views of it, is taken later.
    """

    loops: Loops | None
    given: tuple[int, ...]
    made: tuple[int, ...]
    calls: tuple[int, ...]
    kept: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A trace in stages.

    Attributes:
        inputs: those that have lanes, by number; outputs: what it gives.
        reasons: why each call is none of a kernel, in order.
        targets: what each node calls.
        called_bytes: of each lane, of what calls give, and of what goes from kernels to calls, or
            back.
    """

    stages: tuple[Stage, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    reasons: tuple[str, ...]
    targets: tuple[str, ...]
    called_bytes: int

    @property
    def calls(self) -> list[int]:
        """All calls, by number."""
        return [call for stage in self.stages for call in stage.calls]

    @property
    def loops(self) -> list[Loops]:
        """Those of the kernels."""
        return [stage.loops for stage in self.stages if stage.loops is not None]


def partitioned(
    graph: GraphModule,
    lane_inputs: int,
    data: Sequence[torch.Tensor],
    limits: Limits,
    fixed: int | None = None,
    *,
    like: GraphModule,
) -> Partition:
    """Return a trace of `LANES` lanes in stages; the arguments are those of `lower`.

    Args:
        like: the same function's trace of another number of lanes, which tells their dimension
            from others that have as many places.

    Raises:
        NotLowered: it cannot be divided so; says why.
    """
    trace = Trace.of(functional(graph), lane_inputs)
    stacked = trace.stacked(Trace.of(functional(like), lane_inputs))
    calls = {
        node: f"{name_of(node.target)} has no fused operator"
        for node in trace.operations
        if not lowers(node.target)
    }
    for node in calls:
        if line := node.meta.get("line"):
            calls[node] += f" ({line})"
    while len(calls) <= MAX_CALLS:
        try:
            return _Division(trace, calls, stacked).lowered(data, limits, fixed)
        except NotLowered as error:
            blamed = [node for node in _blamed(trace, error.node) if node not in calls]
            if not blamed:
                raise
            calls.update((node, str(error)) for node in blamed)
    raise NotLowered(
        f"over {MAX_CALLS} operations that cannot be fused, as {next(iter(calls.values()))}"
    )


def _blamed(trace: Trace, node: Node | None) -> list[Node]:
    """The operations that are calls where a node of a kernel cannot be lowered: its own, or those
    that take a view."""
    if node is None:
        return []
    node = node.meta.get("whole", node)
    if node is root(node):
        return [one for one in [made_by(node)] if one in set(trace.operations)]
    return [one for one in _users(node) if one in set(trace.operations)]


def _users(node: Node) -> list[Node]:
    """What takes a node or a view of it."""
    left, found = [node], list[Node]()
    while left:
        for user in left.pop().users:
            (left if is_part(user) else found).append(user)
    return found


@dataclass
class _Division:
    """A trace with some operations as calls.

    Attributes:
        stacked: the nodes whose first dimension is that of the lanes.
        stage: the stage of each input and operation.
        taken: what is taken by other parts, or given back.
    """

    trace: Trace
    calls: dict[Node, str]
    stacked: set[Node]
    stage: dict[Node, int] = field(default_factory=dict)
    taken: dict[Node, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stage.update(dict.fromkeys(self.trace.inputs, 0))
        for node in self.trace.operations:
            after = [made_by(one) for one in taken(node) if one in self.trace.lanes]
            self.stage[node] = max(
                self.stage[one] + (one in self.calls and node not in self.calls) for one in after
            )
        self._check_changes()

    def _check_changes(self) -> None:
        """See that each operation takes a tensor that is changed in place as it should be then.

        Raises:
            NotLowered: one may take it before or after the change instead.
        """
        changes: dict[Node, list[Node]] = {}
        for node in self.trace.operations:
            if is_in_place(node):
                changes.setdefault(made_by(node.args[0]), []).append(node)  # type: ignore[arg-type]  # a node
        for changed, by in changes.items():
            users = [n for n in self.trace.operations if changed in map(made_by, taken(n))]
            last = max(self.trace.order[change] for change in by)
            where = {self._place(node) for node in (*by, changed) if node in self.stage}
            where |= {self._place(n) for n in users if self.trace.order[n] < last}
            if changed not in self.stage or changed in self.calls or len(where) > 1:
                raise NotLowered(f"{name_of(by[0].target)} in place on what other parts take")

    def _place(self, node: Node) -> tuple[int, bool]:
        """The stage of an operation, and whether it is a call."""
        return self.stage[node], node in self.calls

    def lowered(self, data: Sequence[torch.Tensor], limits: Limits, fixed: int | None) -> Partition:
        """Return the stages, with the loops of their kernels."""
        trace = self.trace
        for node in trace.outputs:
            if node not in trace.lanes or (made_by(node) in trace.inputs and is_part(node)):
                raise NotLowered("an output that depends on no parameter")
            self.taken[node] = None
        numbers = range(1 + max(self.stage.values()))
        called = [self._operations(number, True) for number in numbers]
        kernels = [self._kernel(number) for number in numbers]
        for calls in called:
            self._take_for(calls)
        stages = []
        for number, (part, calls) in enumerate(zip(kernels, called, strict=True)):
            made, loops = self._made_by(number, False), None
            if made:
                self._check_made(made)
                rows = [n for n in trace.nodes if n.op == "placeholder"][len(trace.inputs) :]
                loops = lower(part.module(made, rows), len(part.given), data, limits, fixed)
            stage = Stage(
                loops=loops,
                given=trace.numbers(part.given) if made else (),
                made=trace.numbers(made),
                calls=trace.numbers(calls),
                kept=trace.numbers(self._made_by(number, True)),
            )
            stages.append(stage)
        return Partition(
            stages=tuple(stages),
            inputs=trace.numbers(trace.inputs),
            outputs=trace.numbers(trace.outputs),
            reasons=tuple(self.calls[call] for calls in called for call in calls),
            targets=trace.targets,
            called_bytes=sum(
                node.meta.get("bytes", 0) // LANES
                for node in (*self.taken, *(call for calls in called for call in calls))
            ),
        )

    def _operations(self, number: int, calls: bool) -> list[Node]:
        return [n for n in self.trace.operations if self._place(n) == (number, calls)]

    def _kernel(self, number: int) -> Part:
        """The part that is the kernel of a stage."""
        part = Part(self.trace, self._is_within(number))
        for node in self._operations(number, False):
            part.add(node)
        for node in part.given:
            if node not in self.trace.inputs:
                self._check_given(node, number)
                self.taken[node] = None
        return part

    def _check_given(self, node: Node, number: int) -> None:
        """See that a kernel can be given a node.

        Raises:
            NotLowered: it is not stacked, or of another dtype than the parameters.
        """
        if node in self.stacked and node.meta["dtype"] == self.trace.inputs[0].meta["dtype"]:
            return
        own = set(self._operations(number, False))
        for user in _users(node):
            if user in own:
                error = NotLowered(f"{name_of(user.target)} takes what no kernel can be given")
                error.node = user
                raise error

    def _check_made(self, made: Sequence[Node]) -> None:
        """See that a kernel can give what others take of it.

        Raises:
            NotLowered: it is stacked in another dimension.
        """
        for node in made:
            if node not in self.stacked:
                error = NotLowered(f"{name_of(made_by(node).target)} gives what no kernel can give")
                error.node = node
                raise error

    def _is_within(self, number: int) -> Callable[[Node], bool]:
        """Whether a node is computed in the kernel of a stage, and not given to it."""

        def within(node: Node) -> bool:
            if node not in self.trace.lanes:
                return True
            by = made_by(node)
            if by in self.calls:
                return False
            own = by not in self.trace.inputs and self.stage[by] == number
            return node is not root(node) or own

        return within

    def _take_for(self, calls: Sequence[Node]) -> None:
        """Note what calls take of other parts."""
        for call in calls:
            for node in taken(call):
                if node not in self.trace.lanes:
                    continue
                by = made_by(node)
                if by not in self.calls and by not in self.trace.inputs:
                    self.taken[root(node)] = None
                elif by in self.calls and self.stage[by] < self.stage[call]:
                    self.taken[node] = None

    def _made_by(self, number: int, calls: bool) -> list[Node]:
        """What a kernel, or the calls of a stage, give to others."""
        own = set(self._operations(number, calls))
        return [node for node in self.taken if made_by(node) in own]
