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

from trainable.axes import Axes, Axis, Dim, flat
from trainable.loops import (
    Index,
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
from trainable.operators import COPY, TRUTH, NotLowered, Operator, mapped
from trainable.resolving import resolved

LANES = 3
"""How many lanes a function is traced with that is to be lowered: they stand for any number. (More
than one, and unlike the sizes that problems use.)"""


@dataclass(frozen=True)
class View:
    """A tensor of the trace: an operand, and which axes its dimensions are."""

    operand: Operand
    dims: tuple[Dim, ...]


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
    shared: dict[int, View] = field(default_factory=dict)
    tensors: list[tuple[Value, torch.Tensor]] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    computed: dict[str, Any] = field(default_factory=dict)  # which keeps ids of tensors their own
    seen: list[tuple[Dim, ...]] = field(default_factory=list)

    def loops(self) -> Loops:
        (self.lane,) = self.axes.new(LANES)
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
        for dims in self.seen:
            self.axes.check(flat(dims))
        tensors = [(value, tensor.to(self.dtype)) for value, tensor in self.tensors]
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
        value = Value("lane", flat(dims), source=len(self.inputs))
        self.inputs.append(value)
        return View(all_of(value), ((self.lane,), *dims))

    def _given(self, i: int) -> torch.Tensor:
        return self.given[i - self.lane_inputs]

    def _view(self, given: Any) -> View:
        """What an operation takes, as a view."""
        if isinstance(given, View):
            return given
        if isinstance(given, torch.Tensor):
            if id(given) not in self.shared:
                self.shared[id(given)] = self._share(given)
            return self.shared[id(given)]
        if isinstance(given, (bool, int, float)):
            return View(Operand(float(given)), ())
        raise NotLowered(f"an operand that is {type(given).__name__}")

    def _share(self, tensor: torch.Tensor) -> View:
        if tensor.is_complex():
            raise NotLowered("complex numbers")
        dims = tuple(self.axes.new(size) for size in tensor.shape)
        value = Value("data", flat(dims))
        self.tensors.append((value, tensor))  # which keeps its id its own
        return View(all_of(value), dims)

    def _output(self, node: Node) -> Operand:
        view = self.known[node]
        if not isinstance(view, View) or not view.dims:
            raise NotLowered("an output that no lane decides")
        first = [self.axes.find(axis) for axis in view.dims[0]]
        if first != [self.axes.find(self.lane)] or node.meta["dtype"] != self.dtype:
            raise NotLowered("an output of another kind")
        # along its own dimensions, whichever of them the value has
        result = Value("lane", flat(view.dims[1:]))
        self.operations.append(Map(result, COPY, (view.operand,)))
        return all_of(result)

    # --- operations

    def _call(self, node: Node) -> Any:
        args = [self._seen(argument) for argument in node.args]
        named = {name: self._seen(argument) for name, argument in node.kwargs.items()}
        if not _of_lanes([args, named]):
            return self._of_data(node.target, args, named)
        name = _name(node)
        if node.meta.get("dtype", self.dtype) not in (self.dtype, torch.bool):
            raise NotLowered(f"{name} gives {node.meta['dtype']}")
        if name == "getitem":
            return args[0][args[1]]
        method: Callable[..., Any] | None = _METHODS.get(name)
        if method is None:
            made = self._map(*mapped(name, args, named))
        elif name in _OF_LISTS or isinstance(args[0], View):
            made = method(self, *args, **named)
        else:
            made = method(self, self._view(args[0]), *args[1:], **named)
        self.seen += [view.dims for view in (made if isinstance(made, list) else [made])]
        return made

    def _of_data(self, target: Any, args: list[Any], named: dict[str, Any]) -> Any:
        """What no lane takes part in, computed once; the same thing twice is one."""
        key = repr((target, _identified(args), _identified(named)))
        if key not in self.computed:
            with torch.no_grad():
                self.computed[key] = target(*args, **named)
        return self.computed[key]

    def _seen(self, argument: Any) -> Any:
        if isinstance(argument, Node):
            return self.known[argument]
        if isinstance(argument, (list, tuple)):
            return [self._seen(item) for item in argument]
        return argument

    def _map(self, operator: Operator, given: Sequence[Any]) -> View:
        views, dims = self._lined_up([self._view(operand) for operand in given])
        result = Value("mask" if operator.truth else "lane", ())
        operands = tuple(view.operand for view in views)
        self.operations.append(Map(result, operator, operands))
        return self._made(result, [a for o in operands for a in _axes_of(o)], dims)

    def _made(self, result: Value, axes: Sequence[Axis], dims: Sequence[Dim]) -> View:
        result.axes = tuple(self._distinct(axes))
        return View(all_of(result), tuple(dims))

    def _distinct(self, axes: Sequence[Axis]) -> list[Axis]:
        found = dict.fromkeys(self.axes.find(axis) for axis in axes)
        found.pop(self.axes.find(self.lane), None)
        return list(found)

    def _lined_up(self, views: Sequence[View]) -> tuple[list[View], list[Dim]]:
        """The views with their dimensions in line, and what these are."""
        rank = max(len(view.dims) for view in views)
        where: dict[Axis, int] = {}
        apart = []
        for view in views:
            for i, dim in enumerate(view.dims, -len(view.dims)):
                if any(where.setdefault(self.axes.find(axis), i) != i for axis in dim):
                    view = self._renamed(view, i)
            apart.append(view)
        dims: list[Dim] = [()] * rank
        for view in apart:
            for i, dim in enumerate(view.dims, rank - len(view.dims)):
                dims[i] = self.axes.unify(dims[i], dim)
        self.axes.check(flat(dims))
        return apart, dims

    def _renamed(self, view: View, i: int) -> View:
        """The view, its dimension `i` no longer the same as others that walk the same axis."""
        (axis,) = view.dims[i]
        dims = list(view.dims)
        dims[i] = self.axes.new(axis.size)
        return View(self._moved(view.operand, axis, dims[i][0], 0), tuple(dims))

    # --- views

    def _same(self, view: View, *_: Any, **named: Any) -> View:
        return view

    def _reshape(self, view: View, shape: Sequence[int]) -> View:
        left = list(flat(view.dims))
        known = math.prod(places for places in shape if places != -1)
        whole = [size(left) // known if places == -1 else places for places in shape]
        dims: list[Dim] = []
        for places in whole:
            taken: list[Axis] = []
            while size(taken) < places:
                taken.append(left.pop(0))
            if size(taken) > places:
                raise NotLowered("a view that splits axes")
            dims.append(tuple(taken))
        return View(view.operand, tuple(dims))

    def _unsqueeze(self, view: View, dim: int) -> View:
        dims = list(view.dims)
        dims.insert(dim if dim >= 0 else dim + len(dims) + 1, ())
        return View(view.operand, tuple(dims))

    def _squeeze(self, view: View, dim: int | Sequence[int] | None = None) -> View:
        rank = len(view.dims)
        which = range(rank) if dim is None else [dim] if isinstance(dim, int) else dim
        gone = {d % rank for d in which if not view.dims[d]}
        return View(view.operand, tuple(d for i, d in enumerate(view.dims) if i not in gone))

    def _expand(self, view: View, shape: Sequence[int], **named: Any) -> View:
        lead = len(shape) - len(view.dims)
        dims: list[Dim] = [*[()] * lead, *view.dims]
        for i, places in enumerate(shape):
            if not dims[i] and places != -1:
                dims[i] = self.axes.new(places)
        return View(view.operand, tuple(dims))

    def _permute(self, view: View, order: Sequence[int]) -> View:
        return View(view.operand, tuple(view.dims[i] for i in order))

    def _transpose(self, view: View, a: int = 0, b: int = 1) -> View:
        dims = list(view.dims)
        if len(dims) > 1:
            dims[a], dims[b] = dims[b], dims[a]
        return View(view.operand, tuple(dims))

    def _select(self, view: View, dim: int, index: int) -> View:
        dims = list(view.dims)
        if not dims.pop(dim):
            return View(view.operand, tuple(dims))
        (axis,) = view.dims[dim]
        return View(self._moved(view.operand, axis, None, index % axis.size), tuple(dims))

    def _slice(
        self, view: View, dim: int = 0, start: int | None = None, end: int | None = None,
        step: int = 1,
    ) -> View:  # fmt: skip
        (axis,) = view.dims[dim] or (None,)
        dims = list(view.dims)
        if axis is None or step != 1:
            raise NotLowered("a slice with steps")
        first, last, _ = slice(start, end).indices(axis.size)
        if last - first == axis.size:
            return view
        if last <= first:
            raise NotLowered("a slice of nothing")
        dims[dim] = self.axes.new(last - first)
        (to,) = dims[dim] or (None,)
        return View(self._moved(view.operand, axis, to, first), tuple(dims))

    def _moved(self, operand: Operand, axis: Axis, to: Axis | None, offset: int) -> Operand:
        """The operand with another place along an axis."""
        if self.axes.are_one(axis, self.lane):
            raise NotLowered("lanes that are picked")
        at = tuple(
            Index(to, index.offset + offset) if self.axes.are_one(index.axis, axis) else index
            for index in operand.at
        )
        return Operand(operand.value, at)

    def _unbind(self, view: View, dim: int = 0) -> list[View]:
        return [self._select(view, dim, i) for i in range(size(view.dims[dim]))]

    def _converted(self, view: View, dtype: torch.dtype | None = None, **named: Any) -> View:
        return self._map(TRUTH if dtype == torch.bool else COPY, [view])

    def _zeros(self, view: View, **named: Any) -> View:
        return View(Operand(0.0), view.dims)

    def _ones(self, view: View, **named: Any) -> View:
        return View(Operand(1.0), view.dims)

    def _full(self, view: View, number: float, **named: Any) -> View:
        return View(Operand(float(number)), view.dims)

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
        held = self._distinct([axis for operand in operands for axis in _axes_of(operand)])
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
            right = self._renamed(right, -1)
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
        views = [self._unsqueeze(view, dim) for view in views]
        return self._joined(views, [()] * len(views), dim)

    def _joined(self, views: Sequence[View], own: Sequence[Dim], dim: int) -> View:
        (along,) = self.axes.new(sum(size(axes) for axes in own))
        if any(self.axes.are_one(axis, self.lane) for axis in flat(own)):
            raise NotLowered("lanes side by side")
        others = [View(v.operand, (*v.dims[:dim], (), *v.dims[dim + 1 :])) for v in views]
        others, dims = self._lined_up(others)
        result, parts, place = Value("lane", ()), [], 0
        for view, axes in zip(others, own, strict=True):
            parts.append((view.operand, place, axes[0] if axes else None))
            place += size(axes)
        self.operations.append(Joint(result, tuple(parts), along))
        dims[dim] = (along,)
        return self._made(result, flat(dims), dims)


def _axes_of(operand: Operand) -> list[Axis]:
    return [index.axis for index in operand.at if index.axis is not None]


def _of_lanes(given: Any) -> bool:
    """Whether anything in it is of lanes."""
    if isinstance(given, (list, tuple)):
        return any(_of_lanes(item) for item in given)
    if isinstance(given, dict):
        return any(_of_lanes(item) for item in given.values())
    return isinstance(given, View)


def _identified(given: Any) -> Any:
    """Arguments as a text can tell them apart: tensors by which they are."""
    if isinstance(given, (list, tuple)):
        return [_identified(item) for item in given]
    if isinstance(given, dict):
        return {name: _identified(item) for name, item in given.items()}
    return ("tensor", id(given)) if isinstance(given, torch.Tensor) else given


def _name(node: Node) -> str:
    target: Any = node.target
    return str(getattr(target, "overloadpacket", target).__name__)


_OF_LISTS = ("mm", "mv", "bmm", "dot", "addmm", "addmv", "baddbmm", "cat", "stack")
"""Those that take their operands as they come."""

_METHODS: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(("view", "_unsafe_view", "reshape"), _Lowering._reshape),
    **dict.fromkeys(("squeeze", "squeeze_"), _Lowering._squeeze),
    **dict.fromkeys(("alias", "detach", "contiguous"), _Lowering._same),
    "unsqueeze": _Lowering._unsqueeze, "unsqueeze_": _Lowering._unsqueeze,
    "expand": _Lowering._expand, "permute": _Lowering._permute,
    "transpose": _Lowering._transpose, "t": _Lowering._transpose,
    "select": _Lowering._select, "slice": _Lowering._slice, "unbind": _Lowering._unbind,
    "_to_copy": _Lowering._converted,
    "zeros_like": _Lowering._zeros, "ones_like": _Lowering._ones, "full_like": _Lowering._full,
    "sum": _Lowering._sum, "mean": _Lowering._mean,
    "amax": _Lowering._amax, "amin": _Lowering._amin,
    **dict.fromkeys(("mm", "mv", "bmm", "dot"), _Lowering._product),
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), _Lowering._added_product),
    "cat": _Lowering._cat, "stack": _Lowering._stack,
}  # fmt: skip
