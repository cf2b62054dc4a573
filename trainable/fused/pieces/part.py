"""A part of a trace as a graph of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from shoal.trainable.fused import of_new
from shoal.trainable.fused.pieces.trace import Trace, taken


class Part:
    """Some operations of a trace, and what these take.

    Attributes:
        given: nodes that it is given, in the order of its inputs.
    """

    def __init__(self, trace: Trace, within: Callable[[Node], bool]) -> None:
        """Begin with none.

        Args:
            within: whether a node is computed in it; else it is given.
        """
        self._trace, self._within = trace, within
        self._nodes: set[Node] = set()
        self.given: list[Node] = []

    def add(self, node: Node) -> None:
        """Let it compute a node, and what that takes; or let it be given."""
        if node in self._nodes or node in self.given:
            return
        if not self._within(node):
            self.given.append(node)
            return
        for one in taken(node):
            self.add(one)
        self._nodes.add(node)

    def module(
        self,
        made: Sequence[Node],
        more: Sequence[Node] = (),
        instead: Mapping[Any, Any] | None = None,
    ) -> GraphModule:
        """Return it as a function of what it is given, and of `more`, that returns `made`.

        Args:
            instead: operations of torch that others are called for.
        """
        for node in made:
            self.add(node)
        graph, holder, own = Graph(), torch.nn.Module(), dict[Node, Node]()
        for i, node in enumerate([*self.given, *more]):
            own[node] = graph.placeholder(f"a{i}")
            own[node].meta.update(node.meta)
        for node in sorted(self._nodes - own.keys(), key=self._trace.order.__getitem__):
            self._copy(node, graph, holder, own)
            own[node].meta["whole"] = node
            if instead and node.target in instead:
                own[node].target = instead[node.target]
        graph.output(tuple(own[node] for node in made))
        return GraphModule(holder, graph)

    def _copy(
        self, node: Node, graph: Graph, holder: torch.nn.Module, own: dict[Node, Node]
    ) -> None:
        def held(tensor: torch.Tensor, like: Node) -> Node:
            name = f"constant{len(dict(holder.named_buffers()))}"
            holder.register_buffer(name, tensor)
            made = graph.get_attr(name)
            made.meta.update(like.meta)
            return made

        if node.op == "get_attr":
            own[node] = held(getattr(self._trace.graph, str(node.target)), node)
            return
        of_dtype = of_new(node)
        if of_dtype is not None and of_dtype not in own:
            empty = torch.empty(0, dtype=of_dtype.meta["dtype"])
            own[of_dtype] = held(empty, of_dtype)
        own[node] = graph.node_copy(node, own.__getitem__)
