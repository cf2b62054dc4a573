"""Operations in place, as those that return their result."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.fx import GraphModule, Node

from shoal.trainable.fused import is_in_place
from shoal.trainable.fused.pieces.trace import is_part
from shoal.trainable.private import returning

_aten = torch.ops.aten

SCATTERS = {
    _aten.slice.Tensor: _aten.slice_scatter.default,
    _aten.select.int: _aten.select_scatter.default,
}
"""What puts other numbers where a view looks."""


def functional(graph: GraphModule) -> GraphModule:
    """Return a trace in which what an operation in place has changed is the result of another one.

    Where other views of the tensor, made before, are taken afterwards, it stays as it is.
    """
    made = GraphModule(graph, copy.deepcopy(graph.graph))
    for node in list(made.graph.nodes):
        if is_in_place(node) and returning(node.target) is not node.target:
            _rewrite(made, node)
    return made


def _rewrite(made: GraphModule, node: Node) -> None:
    order = {one: i for i, one in enumerate(made.graph.nodes)}
    changed: Any = node.args[0]
    dtypes = {one.meta.get("dtype") for one in node.all_input_nodes}
    whole: Any = changed.args[0] if is_part(changed) else changed
    if dtypes != {node.meta.get("dtype")} or is_part(whole):
        return
    if is_part(changed) and changed.target not in SCATTERS:
        return
    if _is_seen_later(whole, node, order, but=changed):
        return
    node.target = returning(node.target)
    _replace(changed, node, order)
    if whole is not changed:
        with made.graph.inserting_after(node):
            scatter = SCATTERS[changed.target]
            put = made.graph.call_function(scatter, (whole, node, *changed.args[1:]))
        put.meta.update(whole.meta | {"line": node.meta.get("line", "")})
        order[put] = order[node]
        _replace(whole, put, order, but=put)


def _replace(old: Node, new: Node, order: dict[Node, int], but: Node | None = None) -> None:
    """Let what comes later take the new node."""
    for user in list(old.users):
        if order[user] > order[new] and user is not but:
            user.replace_input_with(old, new)


def _is_seen_later(whole: Node, by: Node, order: dict[Node, int], but: Node) -> bool:
    """Whether a view of a node from before a change is taken after it, but for the changed one."""
    left = [user for user in whole.users if is_part(user) and order[user] < order[by]]
    while left:
        view = left.pop()
        if view is not but and any(order[user] > order[by] for user in view.users):
            return True
        left += [user for user in view.users if is_part(user) and order[user] < order[by]]
    return False
