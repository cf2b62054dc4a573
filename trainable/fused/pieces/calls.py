"""The calls of torch between kernels, as they are for a block of lanes.

Sizes are written into a trace, so these calls are taken from one of the block's own lanes, whose
operations are the same, one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.fx import GraphModule, Node

from shoal.trainable.fused.pieces.changes import functional
from shoal.trainable.fused.pieces.part import Part
from shoal.trainable.fused.pieces.partition import Partition
from shoal.trainable.fused.pieces.trace import Trace, made_by, root

_aten = torch.ops.aten

INSTEAD = dict.fromkeys((_aten.view.default, _aten._unsafe_view.default), _aten.reshape.default)
"""What a kernel gives lies in another order in memory than what torch gives."""


@dataclass(frozen=True, kw_only=True)
class Called:
    """The calls of a stage.

    Attributes:
        module: does them; given: what it takes, by number; kept: what it returns.
    """

    module: GraphModule
    given: tuple[int, ...]
    kept: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Calls:
    """The calls of all stages.

    Attributes:
        stages: of each stage; None: it has none.
        shared: what calls take that has no lanes, by number; computed: returns it, of the rows.
    """

    stages: tuple[Called | None, ...]
    shared: tuple[int, ...]
    computed: GraphModule


def calls_of(graph: GraphModule, partition: Partition) -> Calls:
    """Return the calls of a trace of a block's lanes.

    Args:
        partition: of the same function's trace of few lanes.

    Raises:
        NotLowered: the operations of the two are not the same.
    """
    trace = Trace.of(functional(graph), len(partition.inputs))
    trace.check_alike(partition.targets)
    nodes, shared, stages = trace.nodes, dict[Node, None](), list[Called | None]()
    calls = {nodes[number] for number in partition.calls}
    for stage in partition.stages:
        own = {nodes[number] for number in stage.calls}
        part = Part(trace, _is_within(trace, calls, own))
        for number in stage.calls:
            part.add(nodes[number])
        module = part.module([nodes[number] for number in stage.kept], instead=INSTEAD)
        shared.update((node, None) for node in part.given if node not in trace.lanes)
        called = Called(module=module, given=trace.numbers(part.given), kept=stage.kept)
        stages.append(called if own else None)
    everything = Part(trace, lambda node: True)
    rows = [node for node in nodes if node.op == "placeholder" and node not in trace.lanes]
    return Calls(
        stages=tuple(stages),
        shared=trace.numbers(list(shared)),
        computed=everything.module(list(shared), rows),
    )


def _is_within(trace: Trace, calls: set[Node], own: set[Node]) -> Callable[[Node], bool]:
    """Whether a node is computed among the calls of a stage, and not given to them."""

    def within(node: Node) -> bool:
        if node not in trace.lanes:
            return False
        by = made_by(node)
        if by in calls:
            return by in own
        return node is not root(node)

    return within
