"""Tracing: a function of tensors as plain tensor operations, and what these cost.

``torch.vmap`` stacks the step of one lane; tracing it once leaves out vmap's own cost at every call
(a fifth of the time at 64 lanes of the default problem on a CPU).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx

Tensors = tuple[torch.Tensor, ...]

_VIEWS = ("view", "expand", "unsqueeze", "squeeze", "permute", "transpose", "select", "slice", "t")
_DENSE = ("mm", "bmm", "addmm", "baddbmm", "mv", "addmv", "dot", "convolution")


@dataclass(frozen=True, kw_only=True)
class Work:
    """What the operations of a traced function do, for each lane.

    Attributes:
        operations: how many there are, whatever the number of lanes.
        moved: bytes of all tensors that they make.
        widest: bytes of the largest of them.
        widest_dense: bytes of the largest that a matrix product makes or takes, which no compiler
            keeps in registers; 0 where there is none.
    """

    operations: int = 0
    moved: int = 0
    widest: int = 1
    widest_dense: int = 0

    def most(self, other: Work) -> Work:
        """Return the larger of the two in each respect."""
        names = [field.name for field in fields(self)]
        return Work(**{n: max(getattr(self, n), getattr(other, n)) for n in names})


def traced(function: Callable[..., Tensors], arguments: Sequence[torch.Tensor]) -> Any:
    """Return the plain tensor operations of ``function(*arguments)``, as a ``GraphModule``.

    Tracing tells its inputs apart by identity: one tensor given twice (two moments that begin as
    the same zeros, say) would become one input. So each is copied first.
    """
    return make_fx(function)(*(tensor.clone() for tensor in arguments))


def work_of(graph: Any, lanes: int) -> Work:
    """Return the work of a traced function of `lanes` lanes."""
    operations = moved = widest = dense = 0
    for node in graph.graph.nodes:
        made = node.meta.get("val")
        if node.op != "call_function" or not isinstance(made, torch.Tensor):
            continue
        name = str(node.target).partition("::")[2] or str(node.target).removeprefix("aten.")
        name = name.partition(".")[0]
        size = made.numel() * made.element_size()
        widest = max(widest, size)
        if name in _VIEWS:
            continue
        operations += 1
        moved += size
        if name in _DENSE:
            taken = [i.meta["val"] for i in node.all_input_nodes if i.op == "call_function"]
            dense = max(dense, size, *(t.numel() * t.element_size() for t in taken))
    return Work(
        operations=operations,
        moved=moved // lanes,
        widest=max(1, widest // lanes),
        widest_dense=dense // lanes,
    )
