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
from dataclasses import dataclass, field, replace
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
from trainable.fused.operators import (
    COPY,
    TRUTH,
    NotLowered,
    Operator,
    mapped,
    on_truth_values,
)
from trainable.fused.resolving import resolved
from trainable.fused.shared import Shared, name_of
from trainable.fused.types import floating, of_number, promoted
from trainable.fused.views import VIEWS, View, Views, as_number

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
        value = Value(self.dtype, flat(dims))
        self.inputs.append(value)
        return View(all_of(value), ((self.lane,), *dims), self.dtype)

    def _given(self, i: int) -> torch.Tensor:
        return self.given[i - self.lane_inputs]

    def _view(self, given: Any) -> View:
        """What an operation takes, as a view."""
        if isinstance(given, View):
            return given
        if isinstance(given, torch.Tensor):
            return self.shared.view(given)
        if isinstance(given, (bool, int, float)):
            return View(Operand(float(given)), (), of_number(given), number=True)
        raise NotLowered(f"an operand that is {type(given).__name__}")

    def _output(self, node: Node) -> Value:
        view = self.known[node]
        if not isinstance(view, View) or not view.dims:
            raise NotLowered("an output that no lane decides")
        first = [self.axes.find(axis) for axis in view.dims[0]]
        if first != [self.axes.find(self.lane)] or node.meta["dtype"] != self.dtype:
            raise NotLowered("an output of another kind")
        # along its own dimensions, whichever of them the value has
        result = Value(self.dtype, flat(view.dims[1:]))
        self.operations.append(Map(result, COPY, (view.operand,)))
        return result

    # --- operations

    def _call(self, node: Node) -> Any:
        args = [self._seen(argument) for argument in node.args]
        named = {name: self._seen(argument) for name, argument in node.kwargs.items()}
        if not _of_lanes([args, named]):
            return self.shared.computed(node.target, args, named)
        name = name_of(node.target)
        if node.meta.get("dtype", self.dtype) not in (self.dtype, torch.bool, torch.int64):
            raise NotLowered(f"{name} gives {_named(node.meta['dtype'])}")
        changed = None
        if name.endswith("_") and name not in VIEWS:
            name = name.removesuffix("_")
            changed = _alone(name, node.args[0])
        if name == "getitem":
            made = args[0][args[1]]
        elif name in VIEWS:
            made = VIEWS[name](self.views, *args, **named)
        elif name in _METHODS:
            made = _METHODS[name](self, *args, **named)
        else:
            made = self._mapped(node.target, name, args, named)
        if isinstance(made, View):
            self._check(name, made, node)
        if changed is not None:
            self.known[changed] = made
        return made

    def _check(self, name: str, made: View, node: Node) -> None:
        """See that what was made of a node is what torch makes of it, in dtype and shape."""
        found, wanted = (made.dtype, made.shape), (node.meta["dtype"], node.meta["shape"])
        if found != wanted:
            raise NotLowered(
                f"{name} gives {_named(wanted[0])} of shape {wanted[1]} in torch, "
                f"{_named(found[0])} of shape {found[1]} here"
            )

    def _seen(self, argument: Any) -> Any:
        if isinstance(argument, Node):
            return self.known[argument]
        if isinstance(argument, (list, tuple)):
            return [self._seen(item) for item in argument]
        return argument

    def _mapped(
        self, target: Any, name: str, args: Sequence[Any], named: Mapping[str, Any]
    ) -> View:
        """An operation of torch, number by number."""
        operator, given = mapped(name, args, named)
        views = [self._view(operand) for operand in given]
        if not operator.any_dtype:
            which = operator.selected or range(len(views))
            dtype = promoted([views[i].kind for i in which])
            dtype = floating(dtype) if operator.floating else dtype
            if dtype == torch.bool:
                operator = on_truth_values(name, operator)
            elif dtype != self.dtype:
                raise NotLowered(f"{name} is computed in {_named(dtype)}")
            elif any(views[i].dtype != torch.bool for i in operator.conditions):
                raise NotLowered(f"{name} with a condition that is not bool")
        views, dims = self.views.lined_up(views)
        if all(not isinstance(view.operand.value, Value) for view in views):
            return self._folded(target, args, named, dims)
        return self._map(operator, views, dims)

    def _folded(
        self, target: Any, args: Sequence[Any], named: Mapping[str, Any], dims: Sequence[Dim]
    ) -> View:
        """An operation whose result is one number for all lanes and places."""
        made = target(*(_plain(argument) for argument in args), **named)
        return View(Operand(float(made)), tuple(dims), made.dtype)

    def _map(self, operator: Operator, views: Sequence[View], dims: Sequence[Dim]) -> View:
        """The operator, on views whose dimensions are in line."""
        operands = tuple(view.operand for view in views)
        values = [operand.value for operand in operands if isinstance(operand.value, Value)]
        if all(value.shared for value in values):
            operator = operator.of_shared()
        result = Value(torch.bool if operator.truth else self.dtype, ())
        self.operations.append(Map(result, operator, operands))
        return self._made(result, [axis for o in operands for axis in o.axes], dims)

    def _made(self, result: Value, axes: Sequence[Axis], dims: Sequence[Dim]) -> View:
        result.axes = tuple(self._distinct(axes))
        return View(all_of(result), tuple(dims), result.dtype)

    def _distinct(self, axes: Sequence[Axis]) -> list[Axis]:
        found = dict.fromkeys(self.axes.find(axis) for axis in axes)
        found.pop(self.axes.find(self.lane), None)
        return list(found)

    def _converted(self, view: View, dtype: torch.dtype | None = None, **named: Any) -> View:
        dtype = dtype or view.dtype
        if not isinstance(view.operand.value, Value):
            return replace(view, operand=Operand(as_number(view.operand.value, dtype)), dtype=dtype)
        return self._map(TRUTH if dtype == torch.bool else COPY, [view], view.dims)

    # --- reductions

    def _reduce(
        self, how: str, views: Sequence[View], over: Sequence[Dim], dims: Sequence[Dim],
        mean: bool = False,
    ) -> View:  # fmt: skip
        axes = flat(over)
        if any(self.axes.are_one(axis, self.lane) for axis in axes):
            raise NotLowered("a reduction over lanes")
        operands = tuple(view.operand for view in views)
        dtype = self.dtype
        if how == "sum" and not mean and [view.dtype for view in views] == [torch.bool]:
            dtype = torch.int64  # a count, kept in the loops' own dtype
            if size(axes) * torch.finfo(self.dtype).eps > 1:
                raise NotLowered("a count of very many")
        elif any(view.dtype != self.dtype for view in views):
            found = next(view.dtype for view in views if view.dtype != self.dtype)
            raise NotLowered(f"a reduction of {_named(found)}")
        self.axes.check([*flat(dims), *axes])
        result = Value(dtype, ())
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
        aten = torch.ops.aten
        scaled = self._mapped(aten.mul, "mul", [self._view(c), beta], {})
        return self._mapped(aten.add, "add", [scaled, product], {"alpha": alpha})

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

    # --- what selecting and slicing hand back to a gradient

    def _selected_back(self, view: View, shape: Sequence[int], dim: int, index: int) -> View:
        dim %= len(shape)
        return self._beside_zeros(self.views.unsqueeze(view, dim), shape[dim], dim, index)

    def _sliced_back(
        self, view: View, shape: Sequence[int], dim: int, start: int, end: int, step: int
    ) -> View:
        if step != 1:
            raise NotLowered("a slice with steps")
        first, _, _ = slice(start, end).indices(shape[dim])
        return self._beside_zeros(view, shape[dim], dim, first)

    def _beside_zeros(self, view: View, places: int, dim: int, first: int) -> View:
        """The view with zeros before and after it along a dimension."""
        dim %= len(view.dims)
        if len(view.dims[dim]) > 1:
            raise NotLowered("joined axes side by side")
        after = places - first - size(view.dims[dim])
        if not first and not after:
            return view
        zeros = [
            replace(view, operand=Operand(0.0)).having(
                [*view.dims[:dim], self.axes.new(count), *view.dims[dim + 1 :]]
            )
            for count in (first, after)
        ]
        parts = [zeros[0]] * bool(first) + [view] + [zeros[1]] * bool(after)
        return self._joined(parts, [part.dims[dim] for part in parts], dim)

    def _joined(self, views: Sequence[View], own: Sequence[Dim], dim: int) -> View:
        if len(views) == 1:
            return views[0]
        (along,) = self.axes.new(sum(size(axes) for axes in own))
        if any(self.axes.are_one(axis, self.lane) for axis in flat(own)):
            raise NotLowered("lanes side by side")
        others = [v.having([*v.dims[:dim], (), *v.dims[dim + 1 :]]) for v in views]
        others, dims = self.views.lined_up(others)
        dtype = promoted([view.kind for view in views])
        if dtype != self.dtype:
            raise NotLowered(f"values side by side in {_named(dtype)}")
        result, parts, place = Value(self.dtype, ()), [], 0
        for view, axes in zip(others, own, strict=True):
            parts.append((view.operand, place, axes[0] if axes else None))
            place += size(axes)
        self.operations.append(Joint(result, tuple(parts), along))
        dims[dim] = (along,)
        return self._made(result, flat(dims), dims)


def _named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _alone(name: str, changed: Any) -> Node:
    """What an operation changes in place: the result of one operation, of which there is no view.

    Raises:
        NotLowered: it is something else.
    """
    if isinstance(changed, Node) and changed.op == "call_function":
        users = [user for user in changed.users if user.op == "call_function"]
        if not any(name_of(n.target) in (*VIEWS, "getitem") for n in (changed, *users)):
            return changed
    raise NotLowered(f"{name} in place")


def _plain(argument: Any) -> Any:
    """An argument whose tensors have one number, as torch takes it."""
    if not isinstance(argument, View):
        return argument
    assert not isinstance(argument.operand.value, Value)  # only numbers are folded
    return torch.full((1,), argument.operand.value, dtype=argument.dtype)


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
    "select_backward": _Lowering._selected_back, "slice_backward": _Lowering._sliced_back,
}  # fmt: skip
"""Operations of torch, by name, that are neither views nor number by number."""
