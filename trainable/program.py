"""The program: the step of one lane, stacked over a block of lanes.

    B       lanes in the block
    params  the leaves of the parameters, each of shape (B, *leaf)
    state   the rule's state, each of shape (B, *leaf)
    values  the hyperparameters, each of shape (B,)

``torch.vmap`` stacks the step; a trace of it is run operation by operation (eager), or as machine
code (compiled), which keeps a lane's residuals in registers instead of writing each to memory: as a
fused kernel of our own where the trace can be lowered to one, else by torch's compiler. A program
runs as it is told to or not at all, since their numbers differ in the last digits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.fx import GraphModule

from trainable.building import Code, Run
from trainable.captured import Captured
from trainable.errors import CompileError
from trainable.fused.kernel import Kernel, KernelRun
from trainable.fused.loops import Loops
from trainable.fused.lowering import LANES, lower
from trainable.fused.operators import NotLowered
from trainable.inductor import Inductor
from trainable.lanes import Lanes
from trainable.library import functions
from trainable.problem import (
    Hyperparameters,
    Leaves,
    Params,
    hyperparameters,
    leaves,
    like,
    names,
)
from trainable.rules import RULES, Rule, State
from trainable.settled import CAPTURED, EAGER, INDUCTOR, KERNEL
from trainable.starts import Starts
from trainable.tracing import Tensors, Work, traced, work_of
from trainable.values import rebuilt, tensors, to_device

Values = tuple[torch.Tensor, ...]
Stepped = tuple[torch.Tensor, Leaves, State]


def never() -> bool:
    """No stop."""
    return False


class Program:
    """A problem and a rule, ready to run blocks of `block` lanes on `device`.

    Attributes:
        unroll: updates that one call of `chunk` does.
        kind: how it is run (`trainable.settled`).
        elastic: whether `chunk` and `loss` take any number of lanes, once it is prepared.
    """

    elastic = False

    def __init__(
        self,
        problem: type,
        *,
        rule: str,
        shape: dict[str, Any],
        defaults: dict[str, float],
        block: int,
        device: str,
        compiled: bool = False,
        kind: str | None = None,
        compiler: str | None = None,
        private: bool = False,
        unroll: int = 1,
    ) -> None:
        """Build the program.

        Args:
            shape: the constructor's arguments (the shape hyperparameters but for the rule).
            defaults: values of the hyperparameters that lanes do not bring.
            compiled: run it as machine code, as it can be; else operation by operation.
            kind: how it is run, whatever `compiled` says.
            compiler: the identity of the compiler that has made it elsewhere; None: the one here.
            private: whether it may be made in a temporary folder, if the cache does not serve.
        """
        self.block, self.unroll = block, unroll
        self.device = torch.device(device)
        self.rule: Rule = RULES[rule]
        self.declared: Hyperparameters = hyperparameters(problem)
        self._problem: Any = problem(**shape)
        self._data = to_device(self._problem.data(), self.device)
        self._data_leaves = tensors(self._data)
        self._defaults = defaults
        self._starts = Starts(
            self._problem, self.rule, self.device,
            own=tuple(self.declared.initial), defaults=defaults,
        )  # fmt: skip
        self._names = tuple({**self.declared.own, **self.rule.hyperparameters})
        usual = CAPTURED if self.device.type == "cuda" else None  # None: a kernel if it can be
        self.kind = kind or (usual if compiled else EAGER)
        self._compiler, self._private = compiler, private
        self._chunk: Run | None = None
        self._loss: Run | None = None
        self._notes: list[str] = []
        self._preparing = 0.0  # seconds

    @property
    def dtype(self) -> torch.dtype:
        """The parameters' dtype, which hyperparameters take on too."""
        return leaves(self._like)[0].dtype

    @property
    def _like(self) -> Params:
        assert self._starts.pattern is not None, "initial() comes first"
        return self._starts.pattern

    def values(self, lanes: Lanes, which: torch.Tensor) -> Values:
        """Return the hyperparameters of the lanes at `which` (int64), each of its shape."""
        found = []
        for name in self._names:
            column = lanes.values.get(name)
            if column is None:
                value = torch.full(which.shape, self._defaults[name], dtype=torch.float64)
            else:
                value = column[which]
            found.append(value.to(self.dtype).to(self.device))
        return tuple(found)

    def initial(self, lanes: Lanes, which: torch.Tensor) -> tuple[Leaves, State]:
        """Return the initial parameters and rule states of the lanes at `which` (int64)."""
        return self._starts.of(lanes, which)

    def prepare(
        self, params: Leaves, state: State, values: Values, stop: Callable[[], bool] = never
    ) -> bool:
        """Trace it, and compile it where that is wanted; return False where `stop` came first.

        It is done once; the tensors given stand for all others of their shapes.

        Raises:
            CompileError: it cannot be run as it is to be.
        """
        if self._chunk is not None:
            return True
        began = time.perf_counter()
        try:
            return self._prepare(params, state, values, stop)
        finally:
            self._preparing += time.perf_counter() - began

    def told(self) -> tuple[list[str], float]:
        """Return what the user should know, and the seconds that `prepare` took; each once."""
        told, self._notes, self._preparing = (self._notes, self._preparing), [], 0.0
        return told

    def _prepare(
        self, params: Leaves, state: State, values: Values, stop: Callable[[], bool]
    ) -> bool:
        if self.kind == EAGER or self.kind == CAPTURED:
            self._count(params, state, values)
            chunk = self._traced(self._flat_chunk, [*params, *state, *values])
            loss = self._traced(self._flat_loss, [*params, *values])
            if self.kind == CAPTURED:
                self._chunk, self._loss = Captured(*chunk), Captured(*loss)
            else:
                self._chunk, self._loss = _interpreted(chunk[0]), _interpreted(loss[0])
            return True
        codes = self.codes(params, state, values)
        made = functions(codes, self._compiler, stop, self._private)
        if made is None:
            return False
        runs, notes = made
        self._notes += notes
        self.take(runs)
        return True

    def codes(self, params: Leaves, state: State, values: Values) -> list[Code]:
        """Return what is to be compiled for `take`: the updates, and the loss.

        Raises:
            CompileError: it cannot be of the kind that it is to be.
        """
        self._count(params, state, values)
        chunk, loss = [*params, *state, *values], [*params, *values]
        if self.kind != INDUCTOR:
            try:
                step = self._lowered(self._flat_step, chunk)
                kernels: list[Code] = [
                    Kernel(step, len(params) + len(state), self.unroll),
                    Kernel(self._lowered(self._flat_loss, loss)),
                ]
            except NotLowered as error:
                if self.kind == KERNEL:
                    raise CompileError(f"no kernel can say it: {error}") from error
            else:
                self.kind = KERNEL
                return kernels
        self.kind = INDUCTOR
        return [
            Inductor(*self._traced(self._flat_chunk, chunk)),
            Inductor(*self._traced(self._flat_loss, loss)),
        ]

    def take(self, runs: Sequence[Run]) -> None:
        """Run as what was compiled of `codes`."""
        self._chunk, self._loss = runs
        self.elastic = self.kind == KERNEL

    def _count(self, params: Leaves, state: State, values: Values) -> None:
        self._counts = (len(params), len(state), len(values))

    def _traced(
        self, function: Callable[..., Tensors], given: Sequence[torch.Tensor]
    ) -> tuple[GraphModule, list[torch.Tensor]]:
        """A function's trace, and the arguments that it was made with: `given` and the data."""
        arguments = [*given, *self._data_leaves]
        return traced(function, arguments), arguments

    def _lowered(self, function: Callable[..., Tensors], given: Sequence[torch.Tensor]) -> Loops:
        few = [tensor[:1].expand(LANES, *tensor.shape[1:]) for tensor in given]
        graph, _ = self._traced(function, few)
        return lower(graph, len(few), self._data_leaves)

    def count(self, params: Leaves, state: State, values: Values) -> Work:
        """Return what one update of one lane does; `prepare` must have run, with `LANES` lanes."""
        given = [*params, *state, *values]
        graph, _ = self._traced(self._flat_step, given)
        work = work_of(graph, self.block)
        try:
            return replace(work, fused=lower(graph, len(given), self._data_leaves).work)
        except NotLowered:
            return replace(work, unfused=1)

    @property
    def data(self) -> list[torch.Tensor]:
        """The tensors that all lanes share."""
        return self._data_leaves

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """A name for each of the parameters."""
        return names(self._like)

    def one_update(self, arguments: Sequence[torch.Tensor]) -> Tensors:
        """Do one update by ``torch.vmap``, of all that it takes, the data last, in any dtype."""
        return self._flat_step(*arguments)

    def one_loss(self, arguments: Sequence[torch.Tensor]) -> Tensors:
        """Return the losses likewise, from parameters, hyperparameters and data."""
        return self._flat_loss(*arguments)

    def compiled(self, updates: int) -> tuple[Run, Run, int]:
        """Return what was compiled: updates and losses; and how many updates a call does.

        Args:
            updates: how many are wanted, which kernels do.
        """
        assert self._chunk is not None, "prepare() comes first"
        assert self._loss is not None
        if isinstance(self._chunk, KernelRun):
            return self._chunk.doing(updates), self._loss, updates
        return self._chunk, self._loss, self.unroll

    def chunk(self, params: Leaves, state: State, values: Values) -> Stepped:
        """Do `unroll` updates; return the losses (B,) before the last of them, and what all of
        them make of params and state."""
        assert self._chunk is not None, "prepare() comes first"
        loss, *moved = self._chunk([*params, *state, *values, *self._data_leaves])
        return loss, tuple(moved[: len(params)]), tuple(moved[len(params) :])

    def loss(self, params: Leaves, values: Values) -> torch.Tensor:
        """Return the losses (B,) of `params`."""
        assert self._loss is not None, "prepare() comes first"
        return self._loss([*params, *values, *self._data_leaves])[0]

    def _flat_step(self, *flat: torch.Tensor, updates: int = 1) -> Tensors:
        p, s, v = self._counts
        params, state, values = flat[:p], flat[p : p + s], flat[p + s : p + s + v]
        data = rebuilt(self._data, flat[p + s + v :])
        for _ in range(updates):
            loss, params, state = self.stacked_step(params, state, values, data)
        return (loss, *params, *state)

    def _flat_chunk(self, *flat: torch.Tensor) -> Tensors:
        return self._flat_step(*flat, updates=self.unroll)

    def _flat_loss(self, *flat: torch.Tensor) -> Tensors:
        p, _, v = self._counts
        data = rebuilt(self._data, flat[p + v :])
        stacked = torch.vmap(self._lane_loss, in_dims=(0, 0, None))
        return (stacked(flat[:p], flat[p : p + v], data),)

    def stacked_step(
        self, params: Leaves, state: State, values: Values, data: Any = None
    ) -> Stepped:
        """One update by ``torch.vmap`` at each call; `chunk` runs a trace of this."""
        step = torch.vmap(self.lane_step, in_dims=(0, 0, 0, None))
        return step(params, state, values, self._data if data is None else data)

    def lane_step(self, params: Leaves, state: State, values: Values, data: Any = None) -> Stepped:
        """One update of one lane: tensors without the axis of lanes."""
        named = dict(zip(self._names, values, strict=True))
        loss, gradient = self._loss_and_gradient(params, named, data)
        moved, state = self.rule.update(params, leaves(gradient), state, named)
        return loss, moved, state

    def _lane_loss(self, params: Leaves, values: Values, data: Any) -> torch.Tensor:
        named = dict(zip(self._names, values, strict=True))
        loss: torch.Tensor = self._loss_and_gradient(params, named, data)[0]
        return loss

    def _loss_and_gradient(self, params: Leaves, named: dict[str, torch.Tensor], data: Any) -> Any:
        own = {name: named[name] for name in self.declared.loss}
        data = self._data if data is None else data
        return self._problem.loss_and_gradient(like(self._like, params), data, **own)

    def describe(self, params: Leaves) -> str:
        """Return the problem's own words for one lane's parameters (B = 1), if it has any."""
        lane = like(self._like, tuple(leaf[0] for leaf in params))
        if hasattr(self._problem, "describe"):
            return str(self._problem.describe(lane))
        return "\n".join(
            f"{name} = {leaf.tolist()}"
            for name, leaf in (lane.items() if isinstance(lane, dict) else enumerate(lane))
        )


def _interpreted(graph: GraphModule) -> Run:
    """A trace, run operation by operation."""
    return lambda arguments: graph(*arguments)
