"""Decomposition: operators of a trace that have no lowering, by simpler ones.

The simpler ones are torch's own decompositions (`shoal.trainable.private.decomposition_of`). The
trace itself stays as it is, for whatever runs it as torch does; what is lowered to loops is a copy
in which ``_log_softmax``, say, is a maximum, a sum and some arithmetic. An operator that has a
lowering is never decomposed, and neither is one of the data alone, which is computed once.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from shoal.trainable.fused import lowers
from shoal.trainable.private import decomposition_of, returning, unwarned
from shoal.trainable.programs.tracing import Recorded, Recorder


def decomposed(graph: GraphModule, lane_inputs: int) -> GraphModule:
    """Return a trace with those operators decomposed that have no lowering and can be.

    Args:
        graph: it is left as it is.
        lane_inputs: how many of its inputs, the first, have lanes; the others are the data.
    """
    nodes = list(graph.graph.nodes)
    inputs = [node for node in nodes if node.op == "placeholder"]
    of_lanes = set(inputs[:lane_inputs])
    for node in nodes:
        if node.op == "call_function" and not of_lanes.isdisjoint(node.all_input_nodes):
            of_lanes.add(node)
    if all(_stays(node) for node in of_lanes):
        return graph
    return _Copy(graph, of_lanes).module()


def _stays(node: Node) -> bool:
    return node.op != "call_function" or lowers(node.target) or _parts(node) is None


def _parts(node: Node) -> Any:
    """The decomposition of what a node calls; None: there is none.

    What is done in place is decomposed as the same operation that returns its result.
    """
    return decomposition_of(node.target) or decomposition_of(returning(node.target))


class _Copy:
    """A trace that is written once more, with some of its operators decomposed."""

    def __init__(self, graph: GraphModule, of_lanes: set[Node]) -> None:
        self._old, self._of_lanes = graph, of_lanes
        self._graph, self._root = Graph(), torch.nn.Module()
        self._made: dict[Node, Any] = {}  # a node, or several
        self._constants = 0

    def module(self) -> GraphModule:
        """Return it."""
        for node in self._old.graph.nodes:
            self._made[node] = self._copied(node)
        self._graph.eliminate_dead_code()
        return Recorded(self._root, self._graph)

    def _copied(self, node: Node) -> Any:
        if node.op == "get_attr":
            return self._constant(getattr(self._old, str(node.target)), node)
        if node.op == "call_function":
            if node.target is operator.getitem and isinstance(node.args[0], Node):
                whole: Any = self._made[node.args[0]]
                place: Any = node.args[1]
                if isinstance(whole, (tuple, list)):
                    return whole[place]
            elif node in self._of_lanes and not _stays(node):
                return self._decomposed(node)
        return self._graph.node_copy(node, lambda old: self._made[old])

    def _constant(self, value: torch.Tensor, like: Node) -> Node:
        name = f"constant{self._constants}"
        self._constants += 1
        self._root.register_buffer(name, value)
        made = self._graph.get_attr(name)
        made.meta.update(like.meta)
        return made

    def _decomposed(self, node: Node) -> Any:
        """The nodes of what an operator is made of, in place of one that calls it."""
        given: dict[Node, torch.Tensor] = {}
        recorder = _Decomposing()

        def tensor(value: Any) -> Any:
            if not isinstance(value, Node):
                return value
            if value not in given:
                zeros = torch.zeros(value.meta["shape"], dtype=value.meta["dtype"])
                given[value] = recorder.argument(zeros)
            return given[value]

        args, keywords = self._mapped(tensor, node.args), self._mapped(tensor, node.kwargs)
        with unwarned(), recorder:
            made = _parts(node)(*args, **keywords)
        several = isinstance(made, (tuple, list))
        part = recorder.module(tuple(made) if several else (made,))
        results = self._inlined(part, [self._made[value] for value in given], node)
        if returning(node.target) is not node.target:
            changed = self._made[node.args[0]]  # type: ignore[index]  # it is a node
            written = self._graph.call_function(torch.ops.aten.copy_.default, (changed, *results))
            written.meta.update(node.meta)
            return written
        return results if several else results[0]

    def _mapped(self, tensor: Any, given: Any) -> Any:
        if isinstance(given, Mapping):
            return {name: self._mapped(tensor, value) for name, value in given.items()}
        if isinstance(given, (tuple, list)):
            return type(given)(self._mapped(tensor, value) for value in given)
        return tensor(given)

    def _inlined(self, part: GraphModule, inputs: Sequence[Node], whole: Node) -> list[Any]:
        """Write the nodes of a trace of `whole` here; return those that it gives back."""
        made: dict[Node, Any] = {}
        left = iter(inputs)
        for node in part.graph.nodes:
            if node.op == "placeholder":
                made[node] = next(left)
            elif node.op == "get_attr":
                made[node] = self._constant(getattr(part, str(node.target)), node)
            elif node.op == "output":
                return [made[end] if isinstance(end, Node) else end for end in node.args[0]]
            else:
                made[node] = self._graph.node_copy(node, lambda old: made[old])
                made[node].meta["line"] = whole.meta.get("line", "")
        raise AssertionError("a trace has an output")


class _Decomposing(Recorder):
    """Writes down what is left of each operation once it is decomposed as far as it has to be."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if not (func.namespace == "aten" and lowers(func)):
            parts = decomposition_of(func)
            if parts is not None:
                with self:
                    return parts(*args, **(kwargs or {}))
        return super().__torch_dispatch__(func, types, args, kwargs)
