"""The program: the step of one lane, stacked over a block of lanes.

    B       lanes in the block
    params  the leaves of the parameters, each of shape (B, *leaf)
    state   the rule's state, each of shape (B, *leaf)
    values  the hyperparameters, each of shape (B,)

``torch.vmap`` stacks the step; tracing it once into plain tensor operations leaves out vmap's own
cost at every step (a fifth of the time at 64 lanes of the default problem on a CPU).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from trainable.lanes import Lanes
from trainable.problem import Hyperparameters, Leaves, Params, hyperparameters, leaves, like
from trainable.rules import RULES, Rule, State

Values = tuple[torch.Tensor, ...]
Stepped = tuple[torch.Tensor, Leaves, State]


class Program:
    """A problem and a rule, ready to run blocks of `block` lanes on `device`."""

    def __init__(
        self,
        problem: type,
        *,
        rule: str,
        shape: dict[str, Any],
        defaults: dict[str, float],
        block: int,
        device: str,
    ) -> None:
        """Build the program.

        Args:
            shape: the constructor's arguments (the shape hyperparameters but for the rule).
            defaults: values of the hyperparameters that lanes do not bring.
        """
        self.block = block
        self.device = torch.device(device)
        self.rule: Rule = RULES[rule]
        self.declared: Hyperparameters = hyperparameters(problem)
        self._problem: Any = problem(**shape)
        self._data = _to(self._problem.data(), self.device)
        self._pattern: Params | None = None  # the structure of the parameters, once seen
        self._defaults = defaults
        self._names = tuple({**self.declared.own, **self.rule.hyperparameters})
        self._started: dict[int, Leaves] = {}
        self._steps: torch.fx.GraphModule | None = None
        self._losses: torch.fx.GraphModule | None = None

    @property
    def dtype(self) -> torch.dtype:
        """The parameters' dtype, which hyperparameters take on too."""
        return leaves(self._like)[0].dtype

    @property
    def _like(self) -> Params:
        assert self._pattern is not None, "initial() comes first"
        return self._pattern

    def values(self, lanes: Lanes, which: Sequence[int]) -> Values:
        """Return the hyperparameters of the lanes at `which`, each of shape (len(which),)."""
        found = []
        for name in self._names:
            column = lanes.values.get(name)
            if column is None:
                value = torch.full((len(which),), self._defaults[name], dtype=torch.float64)
            else:
                value = column[list(which)]
            found.append(value.to(self.dtype).to(self.device))
        return tuple(found)

    def initial(self, lanes: Lanes, which: Sequence[int]) -> tuple[Leaves, State]:
        """Return the initial parameters and rule states of the lanes at `which`."""
        rows = [self._initial(lanes, lane) for lane in which]
        params = tuple(torch.stack(column).to(self.device) for column in zip(*rows, strict=True))
        return params, torch.vmap(self.rule.init)(params)

    def step(self, params: Leaves, state: State, values: Values) -> Stepped:
        """Return the losses (B,) of `params`, and what one update makes of params and state."""
        if self._steps is None:
            self._steps = _traced(self.stacked_step, params, state, values)
        stepped: Stepped = self._steps(params, state, values)
        return stepped

    def loss(self, params: Leaves, values: Values) -> torch.Tensor:
        """Return the losses (B,) of `params`."""
        if self._losses is None:
            self._losses = _traced(self._stacked_loss, params, values)
        losses: torch.Tensor = self._losses(params, values)
        return losses

    def lane_bytes(self) -> int:
        """Return the bytes, for one lane, of the largest tensor that a step makes.

        `step` must have run, since it is read from its trace.
        """
        assert self._steps is not None
        made = [
            node.meta["val"]
            for node in self._steps.graph.nodes
            if node.op == "call_function" and isinstance(node.meta.get("val"), torch.Tensor)
        ]
        largest = max((t.numel() * t.element_size() for t in made), default=1)
        return max(1, largest // self.block)

    def stacked_step(self, params: Leaves, state: State, values: Values) -> Stepped:
        """`step` by ``torch.vmap`` at each call; `step` itself runs a trace of this."""
        step = torch.vmap(self.lane_step, in_dims=(0, 0, 0, None))
        return step(params, state, values, self._data)

    def lane_step(self, params: Leaves, state: State, values: Values, data: Any = None) -> Stepped:
        """`step` for one lane: tensors without the axis of lanes."""
        named = dict(zip(self._names, values, strict=True))
        loss, gradient = self._loss_and_gradient(params, named, data)
        moved, state = self.rule.update(params, leaves(gradient), state, named)
        return loss, moved, state

    def _stacked_loss(self, params: Leaves, values: Values) -> torch.Tensor:
        stacked = torch.vmap(self._lane_loss, in_dims=(0, 0, None))
        losses: torch.Tensor = stacked(params, values, self._data)
        return losses

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

    def _initial(self, lanes: Lanes, lane: int) -> Leaves:
        seed = int(lanes.seed[lane])
        if not self.declared.initial:  # a search has few seeds: as many as replicates
            if seed not in self._started:
                self._pattern = self._problem.initial(seed)
                self._started[seed] = leaves(self._like)
            return self._started[seed]
        own = {}
        for name in self.declared.initial:
            column = lanes.values.get(name)
            value = self._defaults[name] if column is None else float(column[lane])
            own[name] = torch.tensor(value)
        self._pattern = self._problem.initial(seed, **own)
        return leaves(self._like)


def _traced(function: Callable[..., Any], *arguments: Leaves) -> torch.fx.GraphModule:
    """Return the plain tensor operations of ``function(*arguments)``; data become constants.

    Tracing tells its inputs apart by identity: one tensor given twice (two moments that begin as
    the same zeros, say) would become one input. So each is copied first.
    """
    apart = [tuple(tensor.clone() for tensor in leaves) for leaves in arguments]
    if len(apart) == 2:
        return make_fx(lambda a, b: function(a, b))(*apart)
    return make_fx(lambda a, b, c: function(a, b, c))(*apart)


def _to(data: Any, device: torch.device) -> Any:
    if isinstance(data, torch.Tensor):
        return data.to(device)
    if isinstance(data, dict):
        return {key: _to(value, device) for key, value in data.items()}
    return tuple(_to(value, device) for value in data)
