"""Tracing: a function of tensors as plain tensor operations, and what these cost.

``torch.vmap`` stacks the step of one lane; tracing it once leaves out vmap's own cost at every call
(a fifth of the time at 64 lanes of the default problem on a CPU).
"""

from __future__ import annotations

import math
import operator
import os
import sys
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from types import FrameType
from typing import Any

import torch
from torch.fx import GraphModule
from torch.utils.weak import WeakTensorKeyDictionary

from shoal.trainable.private import DispatchMode, mapped, unwarned

Tensors = tuple[torch.Tensor, ...]

_VIEWS = ("view", "expand", "unsqueeze", "squeeze", "permute", "transpose", "select", "slice", "t")
_LIBRARIES, _SHIPPED = ("torch", "contextlib", "shoal"), "shoal.trainable.problems.shipped."
_BETWEEN = (__name__, "shoal.trainable.losses.")
"""Modules of shoal between an operation and the user's code that calls it."""

_DENSE = ("mm", "bmm", "addmm", "baddbmm", "mv", "addmv", "dot", "convolution")
_PRODUCTS = (*_DENSE, "convolution_backward")


@dataclass(frozen=True, kw_only=True)
class Work:
    """Cost of a traced function, for each lane.

    Attributes:
        operations: how many there are, whatever the number of lanes.
        moved_bytes: of all tensors that they make.
        widest_bytes: of the largest of them.
        widest_dense_bytes: of the largest that a matrix product makes or takes, which no compiler
            keeps in registers; 0 where there is none.
        fused: numbers that a fused kernel computes.
        instructions: of that kernel, where a multiply-add is one.
        unfused: why it is not one kernel (`shoal.trainable.fused.lowering`); empty: it is.
        calls: why each call of torch between kernels is one, where it is several kernels.
        called_bytes: of what these give, and of what goes between them and the kernels.
        alone_operations, alone_bytes: as the first two, where each operation has one lane, if it is
            not one kernel; alone_products: multiplications of matrix products and convolutions.
    """

    operations: int = 0
    moved_bytes: int = 0
    widest_bytes: int = 1
    widest_dense_bytes: int = 0
    fused: int = 0
    instructions: int = 0
    unfused: str = ""
    calls: tuple[str, ...] = ()
    called_bytes: int = 0
    alone_operations: int = 0
    alone_bytes: int = 0
    alone_products: int = 0

    def most(self, other: Work) -> Work:
        """Return the maximum of each field."""
        names = [field.name for field in fields(self)]
        return Work(**{n: max(getattr(self, n), getattr(other, n)) for n in names})


def traced(function: Callable[..., Tensors], arguments: Sequence[torch.Tensor]) -> GraphModule:
    """Trace ``function(*arguments)`` into plain tensor operations.

    They are recorded as they run. (``make_fx`` does the same and more, and imports torch's
    compilers for it, which takes longer than a small search.) Tracing tells inputs apart by
    identity: one tensor given twice (two moments that begin as the same zeros, say) would become
    one input. So each is copied first.

    Raises:
        RuntimeError: what the function does depends on a value of a tensor.
    """
    recorder = Recorder()
    apart = [recorder.argument(tensor) for tensor in arguments]
    with unwarned(), recorder:
        made = function(*apart)
    return recorder.module(made)


class Recorded(GraphModule):
    """A trace whose code is written when it is first run: most are read alone, and of a long one
    that is a fifth of the time."""

    def recompile(self) -> Any:
        """Write nothing yet."""

    @property
    def code(self) -> str:
        """Its code, for who wants to read it."""
        super().recompile()
        return super().code

    def forward(self, *arguments: torch.Tensor) -> Any:
        """Write the code, which stands in for this from then on, and run it."""
        super().recompile()
        return type(self).forward(self, *arguments)


class Recorder(DispatchMode):
    """Writes down each operation on tensors, below ``torch.vmap``."""

    def __init__(self) -> None:
        super().__init__()
        self._graph = torch.fx.Graph()
        self._root = torch.nn.Module()
        self._nodes = WeakTensorKeyDictionary()  # what the function lets go of goes
        self._beside = WeakTensorKeyDictionary()  # all that one operation has given, by each
        self._inputs = self._constants = 0

    def argument(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a copy of `tensor` that is an input."""
        copy = tensor.clone()
        self._know(copy, self._graph.placeholder(f"a{self._inputs}"))
        self._inputs += 1
        return copy

    def module(self, made: Tensors) -> GraphModule:
        """Return what was recorded, with these outputs."""
        self._graph.output(tuple(self._node(tensor) for tensor in made))
        self._graph.eliminate_dead_code()
        return Recorded(self._root, self._graph)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("calls .item() on a tensor")
        if func is torch.ops.aten._linalg_check_errors.default:
            self._mark(args[0])
            return None
        made = func(*args, **(kwargs or {}))
        node = self._graph.call_function(
            func, mapped(self._node, args), mapped(self._node, kwargs or {})
        )
        node.meta["line"] = _line()
        if isinstance(made, torch.Tensor):
            self._know(made, node)
        elif isinstance(made, (tuple, list)):
            parts = [part for part in made if isinstance(part, torch.Tensor)]
            for i, part in enumerate(made):
                if isinstance(part, torch.Tensor):
                    self._know(part, self._graph.call_function(operator.getitem, (node, i)))
                    self._beside[part] = [weakref.ref(other) for other in parts]
        return made

    def _mark(self, info: torch.Tensor) -> None:
        """Let what a factorisation gives be NaN for each lane in which it failed, where torch would
        raise for all of them.

        Args:
            info: of each lane, 0 where it did not.

        Raises:
            RuntimeError: it is not known what it belongs to.
        """
        if info not in self._beside:
            raise RuntimeError("checks a factorisation in a way that is not recorded")
        aten, node = torch.ops.aten, self._node(info)
        failed = self._graph.call_function(aten.ne.Scalar, (node, 0))
        failed.meta.update(node.meta | {"dtype": torch.bool, "line": _line()})
        for made in self._beside[info]:
            tensor = made()
            if tensor is None or not (tensor.is_floating_point() or tensor.is_complex()):
                continue
            shape = [*info.shape, *[1] * (tensor.dim() - info.dim())]
            wide = self._graph.call_function(aten.view.default, (failed, shape))
            wide.meta.update(failed.meta | {"shape": tuple(shape)})
            before = self._node(tensor)
            marked = self._graph.call_function(aten.where.ScalarSelf, (wide, math.nan, before))
            marked.meta["line"] = _line()
            self._know(tensor, marked)

    def _know(self, tensor: torch.Tensor, node: torch.fx.Node) -> None:
        node.meta["bytes"] = tensor.numel() * tensor.element_size()
        node.meta["shape"], node.meta["dtype"] = tuple(tensor.shape), tensor.dtype
        self._nodes[tensor] = node

    def _node(self, value: Any) -> Any:
        """The node of a tensor; a tensor that no operation has made is a constant."""
        if not isinstance(value, torch.Tensor):
            return value
        if value not in self._nodes:
            name = f"constant{self._constants}"
            self._constants += 1
            self._root.register_buffer(name, value)
            self._know(value, self._graph.get_attr(name))
        return self._nodes[value]


def _line() -> str:
    """The file and line of the user's code that calls an operation, ``mine.py:12``; empty: it is
    called by the backward pass of torch, or by an optimizer."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if module.startswith(_SHIPPED) or module.partition(".")[0] not in _LIBRARIES:
            return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
        if module.startswith("shoal.") and not module.startswith(_BETWEEN):
            return ""
        frame = frame.f_back
    return ""


def counted(function: Callable[[], object]) -> Work:
    """Return the cost of a function of one lane, from what it does as it runs."""
    count = _Count()
    with count:
        function()
    return Work(
        operations=count.operations, moved_bytes=count.moved, widest_bytes=max(1, count.widest)
    )


class _Count(DispatchMode):
    """Counts operations, and the bytes that they make."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.moved = self.widest = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        parts = made if isinstance(made, (tuple, list)) else (made,)
        sizes = [t.numel() * t.element_size() for t in parts if isinstance(t, torch.Tensor)]
        self.operations += 1
        self.moved += sum(sizes)
        self.widest = max([self.widest, *sizes])
        return made


def products_of(graph: GraphModule) -> int:
    """Return the multiplications of the matrix products and convolutions of a traced function."""
    return sum(_products(node) for node in graph.graph.nodes if node.op == "call_function")


def _products(node: torch.fx.Node) -> int:
    name = _name_of(node)
    if name not in _PRODUCTS:
        return 0
    if name.startswith("convolution"):
        gradient, _, weight = node.args[:3] if name.endswith("backward") else (node, *node.args[:2])
        one = math.prod(gradient.meta["shape"]) * math.prod(weight.meta["shape"][1:])  # type: ignore[union-attr]  # nodes
        return one * (2 if name.endswith("backward") else 1)
    factor = [each for each in node.args if isinstance(each, torch.fx.Node)][-2]
    made: int = math.prod(node.meta["shape"]) * factor.meta["shape"][-1]
    return made


def _name_of(node: torch.fx.Node) -> str:
    name = str(node.target).partition("::")[2] or str(node.target).removeprefix("aten.")
    return name.partition(".")[0]


def work_of(graph: GraphModule, lanes: int) -> Work:
    """Return the cost of a traced function of `lanes` lanes."""
    operations = moved = widest = dense = 0
    for node in graph.graph.nodes:
        size = node.meta.get("bytes")
        if node.op != "call_function" or size is None:
            continue
        name = _name_of(node)
        widest = max(widest, size)
        if name in _VIEWS:
            continue
        operations += 1
        moved += size
        if name in _DENSE:
            taken = [i for i in node.all_input_nodes if i.op == "call_function"]
            dense = max(dense, size, *(i.meta.get("bytes", 0) for i in taken))
    return Work(
        operations=operations,
        moved_bytes=moved // lanes,
        widest_bytes=max(1, widest // lanes),
        widest_dense_bytes=dense // lanes,
    )
