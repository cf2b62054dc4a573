"""What a node of a trace says by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.fx import Node

from shoal.trainable.fused.loops import NotLowered
from shoal.trainable.fused.operations import VIEWS, Opaque, View, name_of, named
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


def check(name: str, made: View, node: Node) -> None:
    """See that what was made of a node is what torch makes of it, in dtype and shape."""
    found, wanted = (made.dtype, made.shape), (node.meta["dtype"], node.meta["shape"])
    if found != wanted:
        raise NotLowered(
            f"{name} gives {named(wanted[0])} of shape {wanted[1]} in torch, "
            f"{named(found[0])} of shape {found[1]} here"
        )


def blamed(error: NotLowered, node: Node | None) -> NotLowered:
    """Return the error with the node that cannot be lowered, and the user's line."""
    line = node.meta.get("line") if node is not None else None
    made = NotLowered(f"{error} ({line})" if line else str(error))
    made.node = node
    return made
