"""What a node of a trace says by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.fx import Node

from shoal.trainable.fused.operations import VIEWS, Opaque, View, name_of
from shoal.trainable.private import is_view


def is_same(name: str, args: Sequence[Any]) -> bool:
    """Whether an operation permutes nothing."""
    return name == "permute" and list(args[1]) == list(range(len(args[1])))


def is_in_place(node: Node) -> bool:
    """Whether what a node calls changes its first argument."""
    if node.op != "call_function":
        return False
    name = name_of(node.target)
    return name.endswith("_") and not name.endswith("__") and name not in VIEWS


def of_new(node: Node) -> Any:
    """The argument of which a node takes the dtype alone, if it makes a tensor of another shape."""
    if node.op == "call_function" and name_of(node.target).startswith("new_"):
        return node.args[0]
    return None


def base(node: Any) -> Any:
    """What a node is a view of, or of which it is a part; itself, if of nothing."""
    while isinstance(node, Node) and node.op == "call_function":
        target, first = node.target, node.args[0] if node.args else None
        if not isinstance(first, Node) or not (name_of(target) == "getitem" or is_view(target)):
            break
        node = first
    return node


def of_lanes(given: Any) -> bool:
    """Whether anything in it is of lanes."""
    if isinstance(given, (list, tuple)):
        return any(of_lanes(item) for item in given)
    if isinstance(given, dict):
        return any(of_lanes(item) for item in given.values())
    return isinstance(given, (View, Opaque)) or callable(given)
