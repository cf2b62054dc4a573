"""Lowering: a traced function of stacked lanes as loops over named axes.

Whether two tensors have an axis in common follows from the operations (the axes of operands that
line up are one axis); so a transposed view, an added axis of size one or a broadcast is only
another way to say which axes a value has, and takes no work at run time. Of the axes

    the lanes' axis   is left to whoever runs the loops: each value is one number for each lane
    long axes         are large and no parameter has them: the points of the data
    all others        are small: a value has its numbers along them side by side

What does not depend on the lanes at all (the powers of the data, say) is computed here, once.

Not every operation is a loop over axes, and large matrix products are better left to libraries:
then `NotLowered` is raised with the reason, and another compiler has to take the function. Any
other exception is a fault of this room.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.fx import GraphModule, Node

from shoal.trainable.fused.loops import (
    COPY,
    Axes,
    Limits,
    Loops,
    Map,
    NotLowered,
    Operand,
    Value,
    all_of,
    flat,
    resolved,
    size,
)
from shoal.trainable.fused.nodes import (
    base,
    blamed,
    check,
    is_in_place,
    is_same,
    of_lanes,
    of_new,
)
from shoal.trainable.fused.operations import (
    RESHAPES,
    VIEWS,
    Assembly,
    Opaque,
    View,
    elementwise,
    name_of,
    named,
)
from shoal.trainable.fused.vocabulary import EVERY
from shoal.trainable.private import returning

LANES = 3
"""How many lanes a function is traced with that is to be lowered: they stand for any number. (More
than one, and unlike the sizes that problems use.)"""


def lower(
    graph: GraphModule,
    lane_inputs: int,
    data: Sequence[torch.Tensor],
    limits: Limits = Limits(),  # noqa: B008  # it is frozen
    fixed: int | None = None,
) -> Loops:
    """Return the loops of a function that was traced with `LANES` lanes.

    Args:
        lane_inputs: how many of its inputs, the first, have lanes; their first dimension is that.
        data: the other inputs.
        limits: of the kernels that are to be written of them.
        fixed: how many of the data, the first, are the same at each update; None: all are.

    Raises:
        NotLowered: it is not expressible as loops; says why.
    """
    return _Lowering(graph, lane_inputs, data, fixed).loops(limits)


class _Lowering:
    def __init__(
        self,
        graph: GraphModule,
        lane_inputs: int,
        data: Sequence[torch.Tensor],
        fixed: int | None,
    ) -> None:
        self._graph = graph
        self._nodes: list[Node] = list(graph.graph.nodes)
        self._order = {node: i for i, node in enumerate(self._nodes)}
        placeholders = [node for node in self._nodes if node.op == "placeholder"]
        dtype: torch.dtype = placeholders[0].meta["dtype"]
        if dtype not in (torch.float32, torch.float64):
            raise NotLowered(f"parameters in {named(dtype)}")
        axes = Axes()
        (lane,) = axes.new(LANES)
        fed: list[torch.Tensor | None] | None = None
        if fixed is not None:
            data = [
                tensor.detach().contiguous() for tensor in data
            ]  # one that is given twice is two
            fed = [*[None] * fixed, *data[fixed:]]
        self._assembly = Assembly(dtype, axes, lane, fed=fed)
        self._inputs: list[Value] = []
        self._known: dict[Node, Any] = {}  # views, or what does not depend on lanes
        self._made: dict[Value | None, Node] = {}  # by the values that became of it
        for i, node in enumerate(placeholders):
            own = i < lane_inputs
            self._known[node] = self._input(node) if own else data[i - lane_inputs]

    def loops(self, limits: Limits) -> Loops:
        """Lower all that is done."""
        reached = self._reached()
        for node in self._nodes:
            if node not in reached:
                continue
            if node.op == "get_attr":
                self._known[node] = getattr(self._graph, str(node.target))
            elif node.op == "call_function":
                self._known[node] = self._blaming(node, self._call)
        (output,) = (node for node in self._nodes if node.op == "output")
        assembly = self._assembly
        ends: tuple[Node, ...] = output.args[0]  # type: ignore[assignment]  # as tracing writes it
        outputs = [self._blaming(node, self._output) for node in ends]
        try:
            return resolved(
                assembly.axes,
                assembly.lane,
                inputs=self._inputs,
                data=assembly.shared.tensors,
                shared=assembly.shared,
                operations=assembly.operations,
                outputs=outputs,
                shapes=[node.meta["shape"][1:] for node in ends],
                dtype=assembly.dtype,
                limits=limits,
            )
        except NotLowered as error:
            raise blamed(error, self._made.get(error.value)) from error

    def _blaming(self, node: Node, method: Callable[[Node], Any]) -> Any:
        """What a method makes of a node, which is named if it cannot be lowered."""
        before = len(self._assembly.operations)
        try:
            made = method(node)
        except NotLowered as error:
            raise blamed(error, node) from error
        for operation in self._assembly.operations[before:]:
            self._made[operation.result] = node
        return made

    def _reached(self) -> set[Node]:
        """What outputs and operations in place depend on, but for the tensors whose dtype alone is
        taken."""
        found: set[Node] = set()
        left = [node for node in self._nodes if node.op == "output" or is_in_place(node)]
        while left:
            node = left.pop()
            if node not in found:
                found.add(node)
                taken = of_new(node)
                left += [given for given in node.all_input_nodes if given is not taken]
        return found

    def _input(self, node: Node) -> View:
        shape, assembly = node.meta["shape"], self._assembly
        if node.meta["dtype"] != assembly.dtype or not shape or shape[0] != LANES:
            raise NotLowered("an input that is not stacked, or of another dtype")
        dims = tuple(assembly.axes.new(size) for size in shape[1:])
        value = Value(assembly.dtype, flat(dims))
        assembly.axes.check(value.axes)
        self._inputs.append(value)
        return View(all_of(value), ((assembly.lane,), *dims), assembly.dtype)

    def _output(self, node: Node) -> Value:
        view, assembly = self._known[node], self._assembly
        if not isinstance(view, View) or not view.dims:
            raise NotLowered("an output that depends on no parameter")
        first = [assembly.axes.find(axis) for axis in view.dims[0]]
        if first != [assembly.axes.find(assembly.lane)] or view.dtype != assembly.dtype:
            raise NotLowered("an output that is not stacked, or of another dtype")
        # along its own dimensions, whichever of them the value has
        result = Value(assembly.dtype, flat(view.dims[1:]))
        assembly.operations.append(Map(result, COPY, (view.operand,)))
        return result

    def _call(self, node: Node) -> Any:
        args = [self._seen(argument) for argument in node.args]
        keywords = {name: self._seen(argument) for name, argument in node.kwargs.items()}
        name, assembly, target = name_of(node.target), self._assembly, node.target
        in_place = is_in_place(node)
        if in_place:
            name, target = name.removesuffix("_"), returning(node.target)
        if not of_lanes([args, keywords]):
            made = assembly.shared.computed(target, args, keywords)
            if in_place:
                made = assembly.shared.computed(torch.Tensor.to, [made, args[0].dtype], {})
                self._change(name, node, made)
            return made
        dtypes = (assembly.dtype, torch.bool, torch.int64)
        if name != "getitem" and node.meta.get("dtype", assembly.dtype) not in dtypes:
            raise NotLowered(f"{name} gives {named(node.meta['dtype'])}")
        if name == "getitem":
            made = args[0][args[1]]
            if callable(made):  # a part of what an operation gives, which others may not want
                made = made()
        elif args and isinstance(args[0], Opaque) and (name in RESHAPES or is_same(name, args)):
            made = args[0]
        elif args and isinstance(args[0], Opaque) and name == "ne":
            made = args[0].source
        elif args and isinstance(args[0], Opaque):
            raise NotLowered(f"{name} of what no kernel holds")
        elif name in VIEWS:
            made = _called(name, VIEWS[name], assembly.views, args, keywords)
        elif name in EVERY:
            made = _called(name, EVERY[name], assembly, args, keywords)
        else:
            made = elementwise(assembly, target, name, args, keywords)
        if isinstance(made, View):
            check(name, made, node)
        if in_place:
            self._change(name, node, made)
        return made

    def _change(self, name: str, node: Node, made: Any) -> None:
        """Let what an operation in place changes, and all views of it, be what it gives.

        Raises:
            NotLowered: that is not known of one of them.
        """
        changed = node.args[0]
        whole = base(changed)
        if not isinstance(changed, Node) or whole.op != "call_function":
            raise NotLowered(f"{name} in place on what is given")
        before = self._known[changed]
        if isinstance(before, View) and isinstance(made, View):
            for one, other in zip(before.dims, made.dims, strict=True):
                self._assembly.axes.unify(one, other)
        for alias in [known for known in self._known if base(known) is whole]:
            if alias is not changed and any(self._is_later(user, node) for user in alias.users):
                self._known[alias] = self._as_before(name, self._known[alias], before, made)
        self._known[changed] = made

    def _as_before(self, name: str, other: Any, before: Any, made: Any) -> Any:
        """What another view of a tensor is after that was changed in place.

        Args:
            before: what was changed; made: what it is now.

        Raises:
            NotLowered: that is not known.
        """
        if isinstance(other, View) and isinstance(before, View) and isinstance(made, View):
            alike = other.operand == before.operand
            if alike and size(flat(other.dims)) == size(flat(before.dims)):
                return replace(other, operand=made.operand)
        if isinstance(other, torch.Tensor) and isinstance(made, torch.Tensor):
            alike = other.is_contiguous() and before.is_contiguous()
            if alike and other.numel() == made.numel():
                shape = list(other.shape)
                return self._assembly.shared.computed(torch.Tensor.reshape, [made, shape], {})
        raise NotLowered(f"{name} in place")

    def _is_later(self, one: Node, other: Node) -> bool:
        return self._order[one] > self._order[other]

    def _seen(self, argument: Any) -> Any:
        if isinstance(argument, Node) and argument not in self._known:
            return View(Operand(0.0), (), argument.meta["dtype"])  # of which a dtype is taken
        if isinstance(argument, Node):
            return self._known[argument]
        if isinstance(argument, (list, tuple)):
            return [self._seen(item) for item in argument]
        return argument


def _called(
    name: str, method: Callable[..., Any], first: Any, args: list[Any], keywords: dict[str, Any]
) -> Any:
    """Return ``method(first, *args, **keywords)``.

    Raises:
        NotLowered: torch's operation has an overload with other arguments, or `method` refuses.
    """
    try:
        inspect.signature(method).bind(first, *args, **keywords)
    except TypeError as error:  # of the binding alone: nothing has been called
        raise NotLowered(f"{name} with other arguments: {error}") from error
    return method(first, *args, **keywords)
