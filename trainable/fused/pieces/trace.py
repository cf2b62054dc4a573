"""What the nodes of a trace are: inputs, operations, and views of what these give."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch.fx import GraphModule, Node

from shoal.trainable.fused import of_new
from shoal.trainable.fused.loops import NotLowered
from shoal.trainable.fused.operations import name_of
from shoal.trainable.private import is_view


def is_part(node: Node) -> bool:
    """Whether a node is a view of what another one gives, or one of several tensors of it."""
    if node.op != "call_function" or not isinstance(node.args[0] if node.args else None, Node):
        return False
    return name_of(node.target) in ("getitem", "_unsafe_view") or is_view(node.target)


def root(node: Node) -> Node:
    """Return the tensor that a node is a view of; itself, if of none."""
    while is_part(node):
        (whole, *_) = node.args
        if not isinstance(whole, Node) or _gives_several(whole):
            break
        node = whole
    return node


def _gives_several(node: Node) -> bool:
    return node.op == "call_function" and "shape" not in node.meta and not is_part(node)


def made_by(node: Node) -> Node:
    """Return the input or operation that has made what a node is, or is a view of."""
    found = root(node)
    (whole, *_) = found.args if is_part(found) else (found,)
    return whole if isinstance(whole, Node) else found


@dataclass(frozen=True, eq=False)
class Trace:
    """A trace of stacked lanes.

    Attributes:
        inputs: those that have lanes.
        lanes: all nodes that depend on these.
        operations: those of them that are neither inputs nor views, in order.
        order: the number of each node.
    """

    graph: GraphModule
    inputs: list[Node]
    lanes: set[Node] = field(default_factory=set)
    operations: list[Node] = field(default_factory=list)
    order: dict[Node, int] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: GraphModule, lane_inputs: int) -> Trace:
        """Read a trace whose first inputs have lanes."""
        nodes = list(graph.graph.nodes)
        inputs = [node for node in nodes if node.op == "placeholder"][:lane_inputs]
        made = cls(graph, inputs, set(inputs), order={node: i for i, node in enumerate(nodes)})
        for node in nodes:
            if node.op == "call_function" and not made.lanes.isdisjoint(taken(node)):
                made.lanes.add(node)
                if not is_part(node):
                    made.operations.append(node)
        return made

    @property
    def nodes(self) -> list[Node]:
        """All, in order."""
        return list(self.order)

    @property
    def outputs(self) -> list[Node]:
        """What it gives, in order."""
        return list(self.nodes[-1].args[0])  # type: ignore[arg-type]  # as tracing writes it

    @property
    def targets(self) -> tuple[str, ...]:
        """What each node calls."""
        return tuple(f"{node.op} {node.target}" for node in self.nodes[:-1])

    def stacked(self, like: Trace) -> set[Node]:
        """Return the nodes whose first dimension is that of the lanes.

        Args:
            like: the same function's, of another number of lanes.

        Raises:
            NotLowered: the operations of the two are not the same.
        """
        self.check_alike(like.targets)
        pairs = zip(self.nodes, like.nodes, strict=True)
        return {node for node, twin in pairs if self._is_stacked(node) and like._is_stacked(twin)}

    def check_alike(self, targets: tuple[str, ...]) -> None:
        """Check that the operations of another number of lanes, `targets`, are the same.

        Raises:
            NotLowered: they are not.
        """
        if self.targets != targets:
            raise NotLowered("what is done depends on how many fits are stacked")

    def _is_stacked(self, node: Node) -> bool:
        """Whether the first dimension has as many places as there are lanes."""
        lanes = self.inputs[0].meta["shape"][:1]
        return node in self.lanes and tuple(node.meta.get("shape", ())[:1]) == tuple(lanes)

    def numbers(self, nodes: list[Node]) -> tuple[int, ...]:
        """The numbers of some nodes."""
        return tuple(self.order[node] for node in nodes)


def taken(node: Node) -> list[Node]:
    """Return the nodes whose numbers or shapes a node takes."""
    of_dtype = of_new(node)
    return [one for one in node.all_input_nodes if one is not of_dtype]
