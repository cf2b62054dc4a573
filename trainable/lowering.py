"""Lowering: a traced function of stacked lanes as loops over named axes.

Whether two tensors have an axis in common follows from the operations (the axes of operands that
line up are one axis); so a transposed view, an added axis of size one or a broadcast is only
another way to say which axes a value has, and takes no work at run time. Of the axes

    the lanes' axis   is left to whoever runs the loops: each value is one number for each lane
    the long axis     is the largest that no parameter has (the points of the data)
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

from trainable.axes import Axes, Axis, Dim
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
    needed,
    operands_of,
    over,
    size,
)
from trainable.operators import COPY, TRUTH, NotLowered, Operator, mapped

LANES = 3
"""How many lanes a function is traced with that is to be lowered: they stand for any number. (More
than one, and unlike the sizes that problems use.)"""

LEAST_LONG = 32
"""An axis shorter than this is a small one."""

MOST_NUMBERS = 512
"""Numbers of a lane that one value may have along its small axes: more do not stay in a cache."""

MOST_PRODUCT = 2048
"""Multiplications of a matrix product for one point of the long axis; for more, libraries are
better."""


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
        made = self.axes.new(LANES)
        assert made is not None
        self.lane = made
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
        return self._resolved([self._output(node) for node in output.args[0]])

    # --- inputs, data and outputs

    def _input(self, node: Node) -> View:
        shape = node.meta["shape"]
        if node.meta["dtype"] != self.dtype or not shape or shape[0] != LANES:
            raise NotLowered("an input of another kind")
        dims = tuple(self.axes.new(size) for size in shape[1:])
        value = Value("lane", tuple(d for d in dims if d is not None), source=len(self.inputs))
        self.inputs.append(value)
        return View(all_of(value), (self.lane, *dims))

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
        value = Value("data", tuple(d for d in dims if d is not None))
        self.tensors.append((value, tensor))  # which keeps its id its own
        return View(all_of(value), dims)

    def _output(self, node: Node) -> Operand:
        view = self.known[node]
        if not isinstance(view, View) or not view.dims:
            raise NotLowered("an output that no lane decides")
        if not self.axes.are_one(view.dims[0], self.lane) or node.meta["dtype"] != self.dtype:
            raise NotLowered("an output of another kind")
        # along its own dimensions, whichever of them the value has
        dims = tuple(d for d in view.dims[1:] if d is not None)
        result = Value("lane", dims)
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
        views = [self._view(operand) for operand in given]
        dims = self._lined_up(views)
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

    def _lined_up(self, views: Sequence[View]) -> list[Dim]:
        rank = max(len(view.dims) for view in views)
        dims: list[Dim] = [None] * rank
        for view in views:
            for i, dim in enumerate(view.dims, rank - len(view.dims)):
                dims[i] = self.axes.unify(dims[i], dim)
        self._check(dims)
        return dims

    def _check(self, dims: Sequence[Dim]) -> None:
        """One tensor has no axis twice."""
        found = [self.axes.find(dim) for dim in dims if dim is not None]
        if len(set(found)) < len(found):
            raise NotLowered("an axis that a tensor has twice")

    # --- views

    def _same(self, view: View, *_: Any, **named: Any) -> View:
        return view

    def _reshape(self, view: View, shape: Sequence[int]) -> View:
        held = [dim for dim in view.dims if dim is not None]
        total = math.prod(dim.size for dim in held)
        known = math.prod(size for size in shape if size != -1)
        sizes = [total // known if size == -1 else size for size in shape]
        if [size for size in sizes if size != 1] != [dim.size for dim in held]:
            raise NotLowered("a view that splits or joins axes")
        left = iter(held)
        return View(view.operand, tuple(None if size == 1 else next(left) for size in sizes))

    def _unsqueeze(self, view: View, dim: int) -> View:
        dims = list(view.dims)
        dims.insert(dim if dim >= 0 else dim + len(dims) + 1, None)
        return View(view.operand, tuple(dims))

    def _squeeze(self, view: View, dim: int | Sequence[int] | None = None) -> View:
        rank = len(view.dims)
        which = range(rank) if dim is None else [dim] if isinstance(dim, int) else dim
        gone = {d % rank for d in which if view.dims[d] is None}
        return View(view.operand, tuple(d for i, d in enumerate(view.dims) if i not in gone))

    def _expand(self, view: View, shape: Sequence[int], **named: Any) -> View:
        lead = len(shape) - len(view.dims)
        dims: list[Dim] = [*[None] * lead, *view.dims]
        for i, places in enumerate(shape):
            if dims[i] is None and places != -1:
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
        axis = view.dims[dim]
        dims = list(view.dims)
        del dims[dim]
        if axis is None:
            return View(view.operand, tuple(dims))
        return View(self._moved(view.operand, axis, None, index % axis.size), tuple(dims))

    def _slice(
        self, view: View, dim: int = 0, start: int | None = None, end: int | None = None,
        step: int = 1,
    ) -> View:  # fmt: skip
        axis = view.dims[dim]
        dims = list(view.dims)
        if axis is None or step != 1:
            raise NotLowered("a slice with steps")
        first, last, _ = slice(start, end).indices(axis.size)
        if last - first == axis.size:
            return view
        if last <= first:
            raise NotLowered("a slice of nothing")
        dims[dim] = self.axes.new(last - first)
        return View(self._moved(view.operand, axis, dims[dim], first), tuple(dims))

    def _moved(self, operand: Operand, axis: Axis, to: Dim, offset: int) -> Operand:
        """The operand with another place along an axis."""
        if self.axes.are_one(axis, self.lane):
            raise NotLowered("lanes that are picked")
        at = tuple(
            Index(to, index.offset + offset) if self.axes.are_one(index.axis, axis) else index
            for index in operand.at
        )
        return Operand(operand.value, at)

    def _unbind(self, view: View, dim: int = 0) -> list[View]:
        axis = view.dims[dim]
        return [self._select(view, dim, i) for i in range(1 if axis is None else axis.size)]

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
        axes = [dim for dim in over if dim is not None]
        if any(self.axes.are_one(axis, self.lane) for axis in axes):
            raise NotLowered("a reduction over lanes")
        operands = tuple(view.operand for view in views)
        if any(isinstance(o.value, Value) and o.value.kind == "mask" for o in operands):
            raise NotLowered("a reduction of truth values")
        self._check([*dims, *axes])
        result = Value("lane", ())
        divisor = math.prod(axis.size for axis in axes) if mean else 1
        self.operations.append(Reduction(result, how, operands, tuple(axes), divisor))
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
            dims = [None if i in gone else d for i, d in enumerate(view.dims)]
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
        sizes = [1 if (d := view.dims[dim]) is None else d.size for view in views]
        return self._joined(views, [view.dims[dim] for view in views], sizes, dim)

    def _stack(self, parts: Sequence[Any], dim: int = 0) -> View:
        views = [self._view(part) for part in parts]
        dim %= len(views[0].dims) + 1
        views = [self._unsqueeze(view, dim) for view in views]
        return self._joined(views, [None] * len(views), [1] * len(views), dim)

    def _joined(
        self, views: Sequence[View], own: Sequence[Dim], sizes: Sequence[int], dim: int
    ) -> View:
        along = self.axes.new(sum(sizes))
        if along is None or any(self.axes.are_one(axis, self.lane) for axis in own):
            raise NotLowered("lanes side by side")
        others = [View(v.operand, (*v.dims[:dim], None, *v.dims[dim + 1 :])) for v in views]
        dims = self._lined_up(others)
        result, parts, place = Value("lane", ()), [], 0
        for view, axis, places in zip(views, own, sizes, strict=True):
            parts.append((view.operand, place, axis))
            place += places
        self.operations.append(Joint(result, tuple(parts), along))
        dims[dim] = along
        return self._made(result, [d for d in dims if d is not None], dims)

    # --- the end

    def _resolved(self, outputs: list[Operand]) -> Loops:
        """All axes by one name each; which is the long one; checks."""
        used = needed(self.operations, {output.value for output in outputs})
        operations = [self._final(operation) for operation in used]
        results = [operation.result for operation in operations]
        for value in (*self.inputs, *(value for value, _ in self.tensors), *results):
            value.axes = tuple(self.axes.find(axis) for axis in value.axes)
            if len(set(value.axes)) < len(value.axes):
                raise NotLowered("an axis that a value has twice")
        for dims in self.seen:
            self._check(dims)
        lane = self.axes.find(self.lane)
        if any(lane in value.axes for value, _ in self.tensors):
            raise NotLowered("data with lanes")
        long = self._long(operations, outputs)
        for operation in operations:
            self._check([*operation.result.axes, *over(operation)])
            small = [a for a in (*operation.result.axes, *over(operation)) if a != long]
            held = [axis for axis in operation.result.axes if axis != long]
            if size(held) > MOST_NUMBERS or size(small) > MOST_PRODUCT:
                raise NotLowered("values too large for a lane at a time")
            self._check_places(operation, long)
        if any(size(value.axes) > MOST_NUMBERS for value in self.inputs):
            raise NotLowered("parameters too large for a lane at a time")
        taken = {o.value for operation in operations for o in operands_of(operation)}
        return Loops(
            dtype=self.dtype,
            inputs=tuple(self.inputs),
            data=tuple((v, self._plain(t)) for v, t in self.tensors if v in taken),
            operations=tuple(operations),
            outputs=tuple(outputs),
            long=long,
            work=sum(size([*o.result.axes, *over(o)]) * _cost(o) for o in operations),
        )

    def _long(self, operations: Sequence[Operation], outputs: Sequence[Operand]) -> Axis | None:
        """The largest axis that no parameter has, if it is long."""
        values = [*self.inputs, *(output.value for output in outputs)]
        kept = {axis for v in values if isinstance(v, Value) for axis in v.axes}
        swept = dict.fromkeys(a for o in operations for a in (*o.result.axes, *over(o)))
        return max(
            (axis for axis in swept if axis not in kept and axis.size >= LEAST_LONG),
            key=lambda axis: axis.size, default=None,
        )  # fmt: skip

    def _plain(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self.dtype).contiguous()

    def _final(self, operation: Operation) -> Operation:
        """The operation with each axis by its one name."""

        def at(operand: Operand) -> Operand:
            places = tuple(
                index if index.axis is None else Index(self.axes.find(index.axis), index.offset)
                for index in operand.at
            )
            return Operand(operand.value, places)

        if isinstance(operation, Map):
            return Map(operation.result, operation.operator, tuple(map(at, operation.operands)))
        if isinstance(operation, Reduction):
            over = tuple(self.axes.find(axis) for axis in operation.over)
            operands = tuple(map(at, operation.operands))
            return Reduction(operation.result, operation.how, operands, over, operation.divisor)
        parts = tuple(
            (at(operand), place, None if own is None else self.axes.find(own))
            for operand, place, own in operation.parts
        )
        return Joint(operation.result, parts, self.axes.find(operation.along))

    def _check_places(self, operation: Operation, long: Axis | None) -> None:
        """The long axis is walked from its beginning to its end, by all that have it."""
        if long is None:
            return
        for operand in operands_of(operation):
            if isinstance(operand.value, Value):
                for axis, index in zip(operand.value.axes, operand.at, strict=True):
                    if (axis == long) != (index.axis == long):
                        raise NotLowered("points that are picked")
        if isinstance(operation, Joint) and operation.along == long:
            raise NotLowered("points side by side")


def _cost(operation: Operation) -> int:
    return operation.operator.cost if isinstance(operation, Map) else 1


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
