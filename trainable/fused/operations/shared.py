"""Constant folding: the data, and operations on them alone, computed once and not at each step.

Where data change from update to update (batches of rows, noise), the operations on them are written
down as they are done for the first update, to be done again for each. Then nothing may be decided
by values that change: shapes must not follow from them, and what has to hold of them (an index is
within a tensor) is one of the operations, which raises where it does not.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from shoal.trainable.fused.loops import Axes, Fed, NotLowered, Operand, Value, all_of, flat
from shoal.trainable.fused.operations.view import View, as_number

_VIEWS = ("view", "_unsafe_view", "reshape", "expand", "alias", "detach")
"""Operations that give what they are given, where its shape stays as it is."""


MAX_ONE = 1 << 12
"""Numbers of a tensor that are looked at, whether they are one."""


def encoded(index: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return whether each index is each place: shape (*index, places), bool."""
    few = index
    for dim, stride in enumerate(index.stride()):
        few = few if stride else few.narrow(dim, 0, 1)  # an expanded one has one index along it
    made = few.unsqueeze(-1) == places
    return made.expand(*index.shape, len(places)) if few is not index else made


def encoded_within(index: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return likewise for an index that torch does not look at.

    Raises:
        IndexError: there is no such place.
    """
    return encoded(within(index, len(places)), places)


def within(index: torch.Tensor, places: int) -> torch.Tensor:
    """Return a copy of an index that torch does not look at.

    Raises:
        IndexError: there is no such place.
    """
    for bound in torch.aminmax(index) if index.numel() else ():
        if not 0 <= int(bound) < places:
            raise IndexError(f"index {int(bound)} is out of bounds for {places} places")
    return index.clone()


def from_the_end(index: torch.Tensor, places: int) -> torch.Tensor:
    """Return an index without negative numbers, which count from the end."""
    return torch.where(index < 0, index + places, index)


class Shared:
    """Tensors that all fits share (no stacked dimension).

    Attributes:
        tensors: those that operations of lanes take, each with the value that stands for it.
    """

    def __init__(self, axes: Axes, fed: Sequence[torch.Tensor | None] | None = None) -> None:
        """Begin with none.

        Args:
            fed: tensors that change from update to update, as an update takes them; None among
                them: one that it takes likewise, and that never changes. None: nothing changes.
        """
        self._axes = axes
        self._views: dict[int, View] = {}
        self._computed: dict[str, tuple[Any, Any]] = {}
        self.tensors: list[tuple[Value, torch.Tensor]] = []
        self._held: list[torch.Tensor] = []  # no id() is used again
        self._fed, self._record = fed, _Record(fed or ())

    def computed(self, target: Any, args: list[Any], named: dict[str, Any]) -> Any:
        """Return the result of an operation; equal calls give one tensor (memoised).

        Raises:
            NotLowered: it changes what it is given, or what it gives has another shape for other
                values of what changes.
        """
        if name_of(target).endswith("_"):
            raise NotLowered("an in-place operation on the data")
        key = repr((target, _identified(args), _identified(named)))
        if key not in self._computed:
            with torch.no_grad():
                made = target(*args, **named)
            self._record.add(target, args, named, made)
            self._computed[key] = made, (args, named)  # held: no id() is used again
        return self._computed[key][0]

    def first(self, tensor: torch.Tensor, sizes: Sequence[int], i: int) -> torch.Tensor:
        """Return the first of some equal parts along dimension i, where a tensor has these sizes.

        Raises:
            NotLowered: they are not equal.
        """
        made: torch.Tensor = self.computed(_first, [tensor, sizes, i], {})
        if i == 0 and tensor.shape[1:] == made.shape:
            self._record.is_first(made, tensor)
        return made

    def changes(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor is another one at each update."""
        return self._record.holds(tensor)

    def again(self, tensors: Sequence[torch.Tensor]) -> Fed | None:
        """Return how tensors are computed at each update; None: they never change."""
        if self._fed is None:
            return None
        return Fed(count=len(self._fed), compute=self._record.function(tensors))

    def view(self, tensor: torch.Tensor) -> View:
        """Return the view of a tensor.

        Raises:
            NotLowered: there are no such kernels.
        """
        if id(tensor) not in self._views:
            if tensor.is_complex():
                raise NotLowered("complex numbers")
            dims = tuple(self._axes.new(size) for size in tensor.shape)
            if self._is_one_number(tensor):
                number = as_number(float(tensor.flatten()[0]), tensor.dtype)
                self._views[id(tensor)] = View(Operand(number), dims, tensor.dtype)
                self._held.append(tensor)
                return self._views[id(tensor)]
            value = Value(tensor.dtype, flat(dims), shared=True)
            self._axes.check(value.axes)
            self.tensors.append((value, tensor))  # the reference prevents reuse of id()
            self._views[id(tensor)] = View(all_of(value), dims, tensor.dtype)
        return self._views[id(tensor)]

    def _is_one_number(self, tensor: torch.Tensor) -> bool:
        """Whether all of a tensor is one number, as of ``ones``, and always will be."""
        if not 1 < tensor.numel() <= MAX_ONE or not tensor.is_floating_point():
            return False
        first = tensor.flatten()[0]
        alike = (tensor == first) & (tensor.signbit() == first.signbit())
        return not self.changes(tensor) and bool(alike.all())

    def tensor(self, value: Value) -> torch.Tensor:
        """Return the tensor that a value stands for."""
        return next(tensor for held, tensor in self.tensors if held is value)


class _Record:
    """Operations on tensors that change from update to update, as a graph of them."""

    def __init__(self, fed: Sequence[torch.Tensor | None]) -> None:
        self._graph, self._root = Graph(), torch.nn.Module()
        self._nodes: dict[int, Node] = {}  # by the identity of what is held
        self._held: list[Any] = []
        self._constants = 0
        for i, tensor in enumerate(fed):
            node = self._graph.placeholder(f"a{i}")
            if tensor is not None:
                self._know(tensor, node)

    def holds(self, tensor: torch.Tensor) -> bool:
        """Whether it is one of them."""
        return id(tensor) in self._nodes

    def add(self, target: Any, args: list[Any], named: dict[str, Any], made: Any) -> None:
        """Write an operation down, if it takes any of them.

        Raises:
            NotLowered: it does not give as many numbers for other values.
        """
        taken = [tensor for tensor in _tensors([args, named]) if self.holds(tensor)]
        if not taken:
            return
        name, tags = name_of(target), getattr(target, "tags", ())
        by_value = torch.Tag.dynamic_output_shape in tags
        if name in ("index", "_unsafe_index"):
            by_value = any(t.dtype in (torch.bool, torch.uint8) for t in _tensors(args[1:]))
        if by_value:
            raise NotLowered(f"{name}, whose shape follows from values of a batch or of noise")
        if name in _VIEWS and made.shape == args[0].shape:
            self._know(made, self._nodes[id(args[0])])
            return
        node = self._graph.call_function(target, self._seen(tuple(args)), self._seen(named))
        if isinstance(made, torch.Tensor):
            self._know(made, node)
        elif isinstance(made, (tuple, list)):
            for i, part in enumerate(made):
                if isinstance(part, torch.Tensor):
                    self._know(part, self._graph.call_function(operator.getitem, (node, i)))

    def is_first(self, part: torch.Tensor, whole: torch.Tensor) -> None:
        """Let the first of equal parts be what all were made of by ``expand``, if they were."""
        node = self._nodes.get(id(whole))
        if node is not None and node.op == "call_function" and name_of(node.target) == "expand":
            (one, *_) = node.args
            if isinstance(one, Node) and one.meta["shape"] == part.shape:
                self._nodes[id(part)] = one

    def function(self, tensors: Sequence[torch.Tensor]) -> Any:
        """Return what computes these tensors from those that an update takes."""
        self._graph.output(tuple(self._seen(tensor) for tensor in tensors))
        self._graph.eliminate_dead_code()
        return GraphModule(self._root, self._graph).forward

    def _know(self, tensor: torch.Tensor, node: Node) -> None:
        """Let a tensor be what a node gives; what is given back as it was is no operation."""
        self._held.append(tensor)
        node.meta.setdefault("shape", tensor.shape)
        self._nodes.setdefault(id(tensor), node)

    def _seen(self, given: Any) -> Any:
        if isinstance(given, dict):
            return {name: self._seen(item) for name, item in given.items()}
        if isinstance(given, (tuple, list)):
            return type(given)(self._seen(item) for item in given)
        if not isinstance(given, torch.Tensor):
            return given
        if not self.holds(given):
            name = f"constant{self._constants}"
            self._constants += 1
            self._root.register_buffer(name, given)
            return self._graph.get_attr(name)
        return self._nodes[id(given)]


def _first(tensor: torch.Tensor, sizes: Sequence[int], i: int) -> torch.Tensor:
    whole = tensor.reshape(sizes)
    one = whole.narrow(i, 0, 1)
    if whole.stride(i) and not bool(((one == whole) | ((one != one) & (whole != whole))).all()):
        raise NotLowered("a tensor whose values depend on the place in the stack")
    return one.squeeze(i)


def _tensors(given: Any) -> list[torch.Tensor]:
    """All tensors in some arguments."""
    if isinstance(given, dict):
        given = list(given.values())
    if isinstance(given, (tuple, list)):
        return [tensor for item in given for tensor in _tensors(item)]
    return [given] if isinstance(given, torch.Tensor) else []


def name_of(target: Any) -> str:
    """Return the name of an operation of torch, whichever of its overloads it is."""
    return str(getattr(target, "overloadpacket", target).__name__)


def _identified(given: Any) -> Any:
    """Arguments as a text can tell them apart: tensors by which they are."""
    if isinstance(given, (list, tuple)):
        return [_identified(item) for item in given]
    if isinstance(given, dict):
        return {name: _identified(item) for name, item in given.items()}
    return ("tensor", id(given)) if isinstance(given, torch.Tensor) else given
