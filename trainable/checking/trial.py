"""Determinism check: methods return the same each time, in any order, on any instance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from shoal.trainable.checking import inputs, randomness
from shoal.trainable.checking.update import Update
from shoal.trainable.errors import ContractError
from shoal.trainable.problems import (
    METRICS,
    Calls,
    Params,
    cast,
    data_of,
    doubled,
    hyperparameters,
    instance_of,
    kind,
    leaves,
    names,
    prepared_of,
    same,
)
from shoal.trainable.process import generators
from shoal.trainable.programs import begun

_FIXED = "draw with torch.Generator().manual_seed(0), made where it is drawn from"
_FROM_SEED = "draw with torch.Generator().manual_seed(seed), made in initial(seed)"
_IN_A_STEP = (
    "for random batches write batch = 128, for noise in each step write noise(self, seed, step); "
    "draw all else in initial(seed), or once in data() with a torch.Generator of a fixed seed"
)
_OF_ROWS = "compute them from params, the validation rows and hyperparameters alone"
_PURE = "compute it from params, data and hyperparameters alone"


MORE_CALLS = 100
"""Calls of a function that changes something on self: what it counts may do harm seldom."""

Step = Callable[[Params], tuple[torch.Tensor, Params]]
"""Loss and gradient of parameters."""


class NotTheSame(ContractError):
    """A method returned another result than in its first call."""


@dataclass(frozen=True, kw_only=True)
class First:
    """Initial parameters, loss and gradient for one set of hyperparameters, in one dtype.

    Attributes:
        own: the problem's own hyperparameters, each of shape ().
    """

    point: Mapping[str, float]
    params: Params
    own: dict[str, torch.Tensor]
    loss: torch.Tensor
    gradient: Params


class Trial(Calls):
    """An instance of the problem class, with the first results of its methods to compare with.

    Attributes:
        firsts: the first steps that were tried.
        notes: what the user should know; a line each.
    """

    def __init__(self, problem: type, shape: dict[str, Any]) -> None:
        """Make two instances and their data.

        Raises:
            ContractError: they differ, or the data cannot be fitted to.
        """
        super().__init__(problem)
        self.shape = shape
        self.declared = hyperparameters(problem)
        self.notes: list[str] = []
        self.firsts: list[First] = []
        with generators.seeded(1):
            self.problem: Any = self.guard("__init__", lambda: instance_of(problem, shape))
            self.data = self.guard("data", lambda: data_of(self.problem))
        told = inputs.complaint(self.data)
        if told is not None:
            self.fail("data", told)
        self.update = self.guard("data", lambda: Update(self.problem, self.declared, self.data))
        with generators.seeded(2):
            self.same("data", self.data, lambda: data_of(self.problem))
        self.other = self.another(3)

    @property
    def method(self) -> str:
        """The method that gives the loss."""
        return self.declared.method

    def another(self, seed: int) -> Update:
        """Make another instance; its data must be those of the first."""
        with generators.seeded(seed):
            other = self.guard("__init__", lambda: instance_of(self.cls, self.shape))
            data = self.guard("data", lambda: data_of(other))
        if not same(prepared_of(self.problem), prepared_of(other)):
            self.fail("prepare", f"returns something else each time; {_FIXED}")
        if not same(self.data, data):
            method = "__init__" if "__init__" in vars(self.cls) else "data"
            self.fail(method, f"the data are others for each new {self.cls.__name__}; {_FIXED}")
        return Update(other, self.declared, data)

    def same(self, method: str, first: Any, call: Callable[[], Any]) -> None:
        """Call again; the result must be that of the first call."""
        again = self.guard(method, call)
        if same(first, again):
            return
        drawn = randomness.source(call, self.file)
        by = f" (it draws random numbers: {drawn})" if drawn is not None else ""
        ways = {self.method: _IN_A_STEP, "initial": _FROM_SEED, METRICS: _OF_ROWS}
        way = ways.get(method, _FIXED)
        raise NotTheSame(f"{self.where(method)}: gives something else each time{by}; {way}")

    def twice(self, method: str, call: Callable[[], Any]) -> Any:
        """Call twice, under different global seeds; the results must be the same."""
        with generators.seeded(1):
            first = self.guard(method, call)
        with generators.seeded(2):
            self.same(method, first, call)
        return first

    def initial(self, point: Mapping[str, float]) -> Any:
        """The initial parameters of seed 0, checked."""
        own = {name: point[name] for name in self.declared.initial}
        params = self.twice(self.declared.start, lambda: begun(self.update.loss, 0, own))
        if not isinstance(params, (tuple, dict)) or not params:
            what = f"an empty {type(params).__name__}" if isinstance(params, (tuple, dict)) else ""
            self.fail(
                self.declared.start,
                f"returns {what or kind(params)}, not a tuple or dict of tensors: "
                'write {"w": w}, or (w,) for one tensor w',
            )
        for name, leaf in zip(names(params), leaves(params), strict=True):
            if not isinstance(leaf, torch.Tensor) or not leaf.is_floating_point():
                self.fail(
                    self.declared.start,
                    f"parameter {name} is {kind(leaf)}, not a floating-point tensor; "
                    "write torch.tensor(1.0) or x.float()",
                )
            if leaf.requires_grad:
                self.fail(
                    self.declared.start,
                    f"parameter {name} requires a gradient; write it .detach()ed",
                )
        if len({leaf.dtype for leaf in leaves(params)}) > 1:
            several = ", ".join(
                f"{name} {str(leaf.dtype).removeprefix('torch.')}"
                for name, leaf in zip(names(params), leaves(params), strict=True)
            )
            self.fail(
                self.declared.start,
                f"the parameters have several dtypes; give them one ({several})",
            )
        return params

    def own(self, point: Mapping[str, float], dtype: torch.dtype) -> dict[str, torch.Tensor]:
        """Return the problem's own hyperparameters of the loss, each as a tensor of shape ()."""
        return {name: torch.tensor(point[name], dtype=dtype) for name in self.declared.loss}

    def own_points(self, points: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
        """Return the points that differ in a hyperparameter of the problem's own."""
        apart = {tuple(point[name] for name in self.declared.own): point for point in points}
        return list(apart.values())

    def keeps_nothing(self, point: Mapping[str, float]) -> None:
        """Check that earlier calls, or a new instance, change no result."""
        first = self.firsts[0]
        own = {name: point[name] for name in self.declared.initial}

        def start(update: Update, seed: int) -> Any:
            with generators.seeded(4):
                return self.guard(self.declared.start, lambda: begun(update.loss, seed, own))

        def step(update: Update, params: Any) -> Any:
            with torch.no_grad(), generators.seeded(5):
                return self.guard(self.method, lambda: update.returned(params, first.own))

        result = (first.loss, first.gradient)
        before = randomness.fingerprint(self.problem)
        for update, why in (
            (self.update, "it keeps something between calls on self"),
            (self.other, "__init__ makes something else each time, or it keeps something on self"),
        ):
            others = start(update, 1)
            if not same(first.params, start(update, 0)):
                self.fail(
                    self.declared.start,
                    f"does not give the same for the same seed: {why}; {_FROM_SEED}",
                )
            start(update, 1)
            step(update, others)
            if not same(result, step(update, first.params)):
                self.fail(
                    self.method, f"does not give the same for the same parameters: {why}; {_PURE}"
                )
        after = randomness.fingerprint(self.problem)
        moved = [name for name in after if before.get(name) != after[name]]
        if moved:
            for _ in range(MORE_CALLS):
                if not same(result, step(self.update, first.params)):
                    self.fail(
                        self.method, f"does not give the same each time: it counts on self; {_PURE}"
                    )
            self.notes.append(
                f"{self.where(self.method)}: self.{moved[0]} changes with each call; a search "
                "traces the function and calls it a few times only, so nothing may depend on that"
            )

    def is_the_same_later(self) -> None:
        """Check results again after many calls, and in another second if the code reads the
        clock."""
        first = self.firsts[0]
        if randomness.tells_time(self.cls):
            randomness.await_next_second()
            self.other = self.another(6)
            self.same(
                self.declared.start, first.params, lambda: self.initial_of(self.other, first.point)
            )
        with torch.no_grad(), generators.seeded(7):
            for update in (self.update, self.other):
                self.same(
                    self.method,
                    (first.loss, first.gradient),
                    lambda: update.returned(first.params, first.own),  # noqa: B023  # called at once
                )

    def initial_of(self, update: Update, point: Mapping[str, float]) -> Any:
        """Return an instance's initial parameters for seed 0."""
        own = {name: point[name] for name in self.declared.initial}
        with generators.seeded(8):
            return begun(update.loss, 0, own)

    def step(self, point: Mapping[str, float]) -> Step:
        """Loss and gradient of parameters in their own dtype."""
        own = self.own(point, leaves(self.initial(point))[0].dtype)
        return lambda params: self.update.returned(params, own)

    def doubled_step(self, point: Mapping[str, float]) -> Step:
        """Loss and gradient with all tensors in float64: data, hyperparameters, attributes."""
        try:
            problem = doubled(self.problem)
        except Exception:  # a class with a mind of its own about copies
            problem = self.problem
        own = self.own(point, torch.float64)
        update = Update(problem, self.declared, cast(self.data, torch.float64))
        return lambda params: update.returned(params, own)

    def double_loss(self, point: Mapping[str, float]) -> float:
        """Return the first loss in float64; NaN if that fails."""
        function = self.doubled_step(point)
        try:
            with torch.no_grad():
                return float(function(cast(self.initial(point), torch.float64))[0])
        except Exception:
            return math.nan
