"""Lowering: a traced function of stacked lanes as loops over named axes.

Whether two tensors have an axis in common follows from the operations (the axes of operands that
line up are one axis); so a transposed view, an added axis of size one or a broadcast is only
another way to say which axes a value has, and takes no work at run time. Of the axes

    the lanes' axis   is left to whoever runs the loops: each value is one number for each lane
    long axes         are large and no parameter has them: the points of the data
    all others        are small: a value has its numbers along them side by side

What does not depend on the lanes at all (the powers of the data, say) is computed here, once.

Not everything can be said this way, and large matrix products are better left to libraries: then
`NotLowered` is raised, and another compiler has to take the function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import GraphModule, Node

from trainable.fused.axes import Axes, Axis, Dim, flat
from trainable.fused.loops import (
    Joint,
    Loops,
    Map,
    Operand,
    Operation,
    Reduction,
    Value,
    all_of,
    size,
)
from trainable.fused.operators import COPY, TRUTH, NotLowered, Operator, mapped
from trainable.fused.resolving import resolved
from trainable.fused.shared import Shared, name_of
from trainable.fused.views import VIEWS, View, Views

LANES = 3
"""How many lanes a function is traced with that is to be lowered: they stand for any number. (More
than one, and unlike the sizes that problems use.)"""


def lower(graph: GraphModule, lane_inputs: int, data: Sequence[torch.Tensor]) -> Loops:
    """Return the loops of a function that was traced with `LANES` lanes.

    Args:
        lane_inputs: how many of its inputs, the first, have lanes; their first dimension is that.
        data: the other inputs.

    Raises:
        NotLowered: it cannot be said this way.
    """
    try:
        return _Lowering(graph, lane_inputs, data).loops()
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # an operation in a form that is not foreseen here; other compilers know them all
        raise NotLowered(f"{type(error).__name__}: {error}") from error


@dataclass
class _Lowering:
    graph: GraphModule
    lane_inputs: int
    given: Sequence[torch.Tensor]
    axes: Axes = field(default_factory=Axes)
    known: dict[Node, Any] = field(default_factory=dict)  # View, or what does not depend on lanes
    operations: list[Operation] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)

    def loops(self) -> Loops:
        (self.lane,) = self.axes.new(LANES)
        self.views, self.shared = Views(self.axes, self.lane), Shared(self.axes)
        nodes = list(self.graph.graph.nodes)
        placeholders = [node for node in nodes if node.op == "placeholder"]
        self.dtype: torch.dtype = placeholders[0].meta["dtype"]
        if self.dtype not in (torch.float32, torch.float64):
            raise NotLowered(f"{self.dtype}")
        for i, node in enumerate(placeholders):
            self.known[node] = self._input(node) if i < self.lane_inputs else self._given(i)
        for node in nodes:
            if node.op == "get_attr":
                self.known[node] = getattr(self.graph, str(node.target))
            elif node.op == "call_function":
                self.known[node] = self._call(node)
        (output,) = (node for node in nodes if node.op == "output")
        outputs = [self._output(node) for node in output.args[0]]
        tensors = [(value, tensor.to(self.dtype)) for value, tensor in self.shared.tensors]
        return resolved(
            self.axes, self.lane, inputs=self.inputs, data=tensors, operations=self.operations,
            outputs=outputs, shapes=[node.meta["shape"][1:] for node in output.args[0]],
            dtype=self.dtype,
        )  # fmt: skip

    # --- inputs, data and outputs

    def _input(self, node: Node) -> View:
        shape = node.meta["shape"]
        if node.meta["dtype"] != self.dtype or not shape or shape[0] != LANES:
            raise NotLowered("an input of another kind")
        dims = tuple(self.axes.new(size) for size in shape[1:])
        value = Value("lane", flat(dims))
        self.inputs.append(value)
        return View(all_of(value), ((self.lane,), *dims))

    def _given(self, i: int) -> torch.Tensor:
        return self.given[i - self.lane_inputs]

    def _view(self, given: Any) -> View:
        """What an operation takes, as a view."""
        if isinstance(given, View):
            return given
        if isinstance(given, torch.Tensor):
            return self.shared.view(given)
        if isinstance(given, (bool, int, float)):
            return View(Operand(float(given)), ())
        raise NotLowered(f"an operand that is {type(given).__name__}")

    def _output(self, node: Node) -> Value:
        view = self.known[node]
        if not isinstance(view, View) or not view.dims:
            raise NotLowered("an output that no lane decides")
        first = [self.axes.find(axis) for axis in view.dims[0]]
        if first != [self.axes.find(self.lane)] or node.meta["dtype"] != self.dtype:
            raise NotLowered("an output of another kind")
        # along its own dimensions, whichever of them the value has
        result = Value("lane", flat(view.dims[1:]))
        self.operations.append(Map(result, COPY, (view.operand,)))
        return result

    # --- operations

    def _call(self, node: Node) -> Any:
        args = [self._seen(argument) for argument in node.args]
        named = {name: self._seen(argument) for name, argument in node.kwargs.items()}
        if not _of_lanes([args, named]):
            return self.shared.computed(node.target, args, named)
        name = name_of(node.target)
        if node.meta.get("dtype", self.dtype) not in (self.dtype, torch.bool):
            raise NotLowered(f"{name} gives {node.meta['dtype']}")
        if name == "getitem":
            return args[0][args[1]]
        if name in VIEWS:
            return VIEWS[name](self.views, *args, **named)
        if name in _METHODS:
            return _METHODS[name](self, *args, **named)
        return self._map(*mapped(name, args, named))

    def _seen(self, argument: Any) -> Any:
        if isinstance(argument, Node):
            return self.known[argument]
        if isinstance(argument, (list, tuple)):
            return [self._seen(item) for item in argument]
        return argument

    def _map(self, operator: Operator, given: Sequence[Any]) -> View:
        views, dims = self.views.lined_up([self._view(operand) for operand in given])
        result = Value("mask" if operator.truth else "lane", ())
        operands = tuple(view.operand for view in views)
        if not any(isinstance(o.value, Value) and o.value.kind != "data" for o in operands):
            raise NotLowered("numbers that are the same for all lanes")
        self.operations.append(Map(result, operator, operands))
        return self._made(result, [axis for o in operands for axis in o.axes], dims)

    def _made(self, result: Value, axes: Sequence[Axis], dims: Sequence[Dim]) -> View:
        result.axes = tuple(self._distinct(axes))
        return View(all_of(result), tuple(dims))

    def _distinct(self, axes: Sequence[Axis]) -> list[Axis]:
        found = dict.fromkeys(self.axes.find(axis) for axis in axes)
        found.pop(self.axes.find(self.lane), None)
        return list(found)

    def _converted(self, view: View, dtype: torch.dtype | None = None, **named: Any) -> View:
        return self._map(TRUTH if dtype == torch.bool else COPY, [view])

    # --- reductions

    def _reduce(
        self, how: str, views: Sequence[View], over: Sequence[Dim], dims: Sequence[Dim],
        mean: bool = False,
    ) -> View:  # fmt: skip
        axes = flat(over)
        if any(self.axes.are_one(axis, self.lane) for axis in axes):
            raise NotLowered("a reduction over lanes")
        operands = tuple(view.operand for view in views)
        if any(isinstance(o.value, Value) and o.value.kind == "mask" for o in operands):
            raise NotLowered("a reduction of truth values")
        self.axes.check([*flat(dims), *axes])
        result = Value("lane", ())
        divisor = math.prod(axis.size for axis in axes) if mean else 1
        self.operations.append(Reduction(result, how, operands, axes, divisor))
        gone = {self.axes.find(axis) for axis in axes}
        held = self._distinct([axis for operand in operands for axis in operand.axes])
        return self._made(result, [axis for axis in held if axis not in gone], dims)

    def _over_dims(
        self, how: str, view: View, dim: Any = None, keepdim: bool = False, mean: bool = False
    ) -> View:
        rank = len(view.dims)
        which = range(rank) if dim is None or dim == [] else [dim] if isinstance(dim, int) else dim
        gone = {d % rank for d in which}
        dims = [d for i, d in enumerate(view.dims) if i not in gone]
        if keepdim:
            dims = [() if i in gone else d for i, d in enumerate(view.dims)]
        return self._reduce(how, [view], [view.dims[i] for i in sorted(gone)], dims, mean)

    def _sum(self, view: View, dim: Any = None, keepdim: bool = False, **named: Any) -> View:
        return self._over_dims("sum", view, dim, keepdim)

    def _mean(self, view: View, dim: Any = None, keepdim: bool = False, **named: Any) -> View:
        return self._over_dims("sum", view, dim, keepdim, mean=True)

    def _amax(self, view: View, dim: Any = None, keepdim: bool = False) -> View:
        return self._over_dims("max", view, dim, keepdim)

    def _amin(self, view: View, dim: Any = None, keepdim: bool = False) -> View:
        return self._over_dims("min", view, dim, keepdim)

    def _product(self, a: Any, b: Any) -> View:
        """A product of vectors or matrices, or of stacks of them."""
        left, right = self._view(a), self._view(b)
        rows = {self.axes.find(axis) for axis in flat(left.dims[-2:-1])}
        if len(right.dims) > 1 and any(self.axes.find(axis) in rows for axis in right.dims[-1]):
            right = self.views.renamed(right, -1)
        x, y = list(left.dims), list(right.dims)
        k = self.axes.unify(x[-1], y[-2] if len(y) > 1 else y[-1])
        dims: list[Dim] = [self.axes.unify(x[0], y[0])] if len(x) == 3 else []
        dims += [*x[-2:-1], *(y[-1:] if len(y) > 1 else [])]
        return self._reduce("sum", [left, right], [k], dims)

    def _added_product(self, c: Any, a: Any, b: Any, beta: float = 1, alpha: float = 1) -> View:
        product = self._product(a, b)
        scaled = self._map(*mapped("mul", [self._view(c), beta], {}))
        return self._map(*mapped("add", [scaled, product], {"alpha": alpha}))

    # --- values side by side

    def _cat(self, parts: Sequence[Any], dim: int = 0) -> View:
        views = [self._view(part) for part in parts]
        rank = len(views[0].dims)
        dim %= rank
        if any(len(view.dims[dim]) > 1 for view in views):
            raise NotLowered("joined axes side by side")
        return self._joined(views, [view.dims[dim] for view in views], dim)

    def _stack(self, parts: Sequence[Any], dim: int = 0) -> View:
        views = [self._view(part) for part in parts]
        dim %= len(views[0].dims) + 1
        views = [self.views.unsqueeze(view, dim) for view in views]
        return self._joined(views, [()] * len(views), dim)

    def _joined(self, views: Sequence[View], own: Sequence[Dim], dim: int) -> View:
        (along,) = self.axes.new(sum(size(axes) for axes in own))
        if any(self.axes.are_one(axis, self.lane) for axis in flat(own)):
            raise NotLowered("lanes side by side")
        others = [View(v.operand, (*v.dims[:dim], (), *v.dims[dim + 1 :])) for v in views]
        others, dims = self.views.lined_up(others)
        result, parts, place = Value("lane", ()), [], 0
        for view, axes in zip(others, own, strict=True):
            parts.append((view.operand, place, axes[0] if axes else None))
            place += size(axes)
        self.operations.append(Joint(result, tuple(parts), along))
        dims[dim] = (along,)
        return self._made(result, flat(dims), dims)


def _of_lanes(given: Any) -> bool:
    """Whether anything in it is of lanes."""
    if isinstance(given, (list, tuple)):
        return any(_of_lanes(item) for item in given)
    if isinstance(given, dict):
        return any(_of_lanes(item) for item in given.values())
    return isinstance(given, View)


_METHODS: Mapping[str, Callable[..., View]] = {
    "_to_copy": _Lowering._converted,
    "sum": _Lowering._sum, "mean": _Lowering._mean,
    "amax": _Lowering._amax, "amin": _Lowering._amin,
    **dict.fromkeys(("mm", "mv", "bmm", "dot"), _Lowering._product),
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), _Lowering._added_product),
    "cat": _Lowering._cat, "stack": _Lowering._stack,
}  # fmt: skip
"""Operations of torch, by name, that are neither views nor number by number."""
