"""Optimizers and schedules of a problem's own file.

Nothing need be imported to write one:

    class Heavy:                                             # an optimizer
        hyperparameters = {"lr": None, "mu": 0.9}            # None: must be given

        def init(self, params):                              # the state before the first update:
            return {"v": tuple(torch.zeros_like(p) for p in params)}

        def update(self, params, gradient, state, step, lr, mu):
            v = tuple(mu * v + g for v, g in zip(state["v"], gradient))
            return tuple(p - lr * v for p, v in zip(params, v)), {"v": v}

    class Root:                                              # a schedule
        hyperparameters = {"slowness": 1.0}

        def factor(self, step, steps, slowness):             # lr is multiplied by it
            return (1 + step / slowness) ** -0.5

    class Ridge:                                             # the problem
        optimizers = {"heavy": Heavy}
        schedules = {"root": Root}
        ...

    params, gradient  tuples of tensors, in the order of ``initial(seed)``
    state             a tensor, or a tuple or dict of such, of the same shapes after each update
    step              updates done before this one, shape ()
    steps             updates in all, a whole number
    lr, mu, …         hyperparameters, each of shape ()

They are written for one fit, as a loss is: pure, no ``if`` on a tensor, nothing in place.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import torch

from shoal.trainable.errors import ContractError
from shoal.trainable.optimizers.composed import Composed, composed, hyperparameters_of, known
from shoal.trainable.optimizers.methods import Clock, Named, Optimizer, Values, by_gradient
from shoal.trainable.optimizers.modifiers import MODIFIERS
from shoal.trainable.optimizers.registry import OPTIMIZERS
from shoal.trainable.optimizers.schedules import SCHEDULES, Schedule
from shoal.trainable.problems import Calls, Leaves, kind
from shoal.trainable.process import within


def optimizers_of(problem: type) -> Mapping[str, Optimizer]:
    """Return every optimizer by its name: those of `OPTIMIZERS`, and the problem's own.

    Raises:
        ContractError: one of its own breaks the contract; one line says how.
    """
    own = _declared(problem, "optimizers", OPTIMIZERS)
    return {**OPTIMIZERS, **{name: _optimizer(problem, name, one) for name, one in own.items()}}


def schedules_of(problem: type) -> Mapping[str, Schedule]:
    """Return every schedule by its name: those of `SCHEDULES`, and the problem's own.

    Raises:
        ContractError: one of its own breaks the contract; one line says how.
    """
    own = _declared(problem, "schedules", SCHEDULES)
    return {**SCHEDULES, **{name: _schedule(problem, name, one) for name, one in own.items()}}


def composed_of(
    problem: type,
    optimizer: str,
    schedule: str = "constant",
    *,
    given: Collection[str],
    values: Mapping[str, float],
    steps: int,
) -> Composed:
    """Return `composed` of optimizers and schedules that may be the problem's own.

    Args:
        given: names of hyperparameters that fits bring; values: those that all fits have.

    Raises:
        ContractError: there is no such optimizer or schedule, or one breaks the contract.
    """
    chosen = known(optimizer, optimizers_of(problem), "optimizer")
    shape = known(schedule, schedules_of(problem), "schedule")
    every = hyperparameters_of(chosen, shape)
    changed = [name for name, default in every.items() if values.get(name, default) != default]
    return composed(chosen, shape, given=[*given, *changed], steps=steps)


def _declared(problem: type, attribute: str, known: Collection[str]) -> dict[str, Any]:
    """The instances that a problem's attribute names."""
    named = getattr(problem, attribute, {})
    whose = f"{problem.__name__}.{attribute}"
    example = f'{attribute} = {{"mine": Mine}}'
    if not isinstance(named, Mapping):
        raise ContractError(f"{whose} is {kind(named)}, not a dict of classes: write {example}")
    found = {}
    for name, one in named.items():
        if not isinstance(name, str) or not name:
            raise ContractError(f"{whose} has the key {name!r}, not a name: write {example}")
        if name in known:
            raise ContractError(f"{whose} has {name!r}, which is built in; name it my_{name}")
        try:
            with within(problem):
                found[name] = one() if isinstance(one, type) else one
        except TypeError as error:
            raise ContractError(f"{whose}[{name!r}] takes no arguments: {error}") from error
    return found


class _Methods:
    """The methods of an optimizer or a schedule that a user wrote."""

    def __init__(self, problem: type, name: str, instance: Any) -> None:
        self.problem, self.instance = problem, instance
        self.calls = Calls(type(instance))
        self.name = type(instance).__name__
        self.hyperparameters = self._hyperparameters(name)

    def _hyperparameters(self, name: str) -> dict[str, float | None]:
        declared = getattr(self.instance, "hyperparameters", {})
        example = 'write hyperparameters = {"lr": None, "mu": 0.9}'
        if not isinstance(declared, Mapping):
            raise ContractError(f"{self.name}.hyperparameters is {kind(declared)}: {example}")
        for key, value in declared.items():
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not isinstance(key, str) or not (number or value is None):
                raise ContractError(
                    f"{self.name}.hyperparameters has {key!r}: {value!r}, not a name with a "
                    f"number or None: {example}"
                )
            if key in (*MODIFIERS, "optimizer", "schedule"):
                raise ContractError(
                    f"{self.name}.hyperparameters has {key!r}, which every optimizer has or is "
                    f"chosen by; name it otherwise, as {key}_"
                )
        return {key: None if v is None else float(v) for key, v in declared.items()}

    def takes(self, method: str, positional: tuple[str, ...]) -> None:
        """Check that a method is there, and takes what it is to be called with."""
        keywords = self.hyperparameters if method != "init" else {}
        written = f"def {method}({', '.join(('self', *positional, *keywords))})"
        function = getattr(self.instance, method, None)
        if not callable(function):
            raise ContractError(f"{self.name} has no method {method}(); write {written}")
        try:
            inspect.signature(function).bind(*positional, **dict.fromkeys(keywords))
        except TypeError as error:
            self.calls.fail(method, f"{error}; write {written}")

    def call(self, method: str, *arguments: Any, **keywords: Any) -> Any:
        """Call a method, where its code belongs."""
        function: Callable[..., Any] = getattr(self.instance, method)

        def called() -> Any:
            with within(self.problem):
                return function(*arguments, **keywords)

        return self.calls.guard(method, called)


def _schedule(problem: type, name: str, instance: Any) -> Schedule:
    methods = _Methods(problem, name, instance)
    methods.takes("factor", ("step", "steps"))

    def factor(t: torch.Tensor, steps: int, h: Values) -> torch.Tensor:
        own = {key: h[key] for key in methods.hyperparameters}
        made = methods.call("factor", t, steps, **own)
        if not isinstance(made, torch.Tensor) or made.shape != ():
            methods.calls.fail("factor", f"returns {kind(made)}, not a tensor of shape ()")
        return made.to(t.dtype)

    return Schedule(name=name, hyperparameters=methods.hyperparameters, factor=factor)


class _Adapter:
    """An optimizer that a user wrote, by the interface of `Optimizer`."""

    def __init__(self, methods: _Methods) -> None:
        self._methods = methods
        self._like: Any = None  # a state, for its structure

    def init(self, params: Leaves, used: Collection[str]) -> Named:
        state = self._methods.call("init", params)
        for what, leaf in _leaves(state, "the state"):
            if not isinstance(leaf, torch.Tensor):
                self._methods.calls.fail(
                    "init",
                    f"{what} is {kind(leaf)}, not a tensor; return tensors, or tuples or dicts of "
                    "them",
                )
        self._like = _emptied(state)
        return _by_name(state)

    def update(
        self, params: Leaves, gradient: Leaves, named: Named, h: Values, clock: Clock
    ) -> tuple[Leaves, Named]:
        if self._like is None:
            self.init(params, ())
        state = _rebuilt(self._like, iter([leaf for part in named.values() for leaf in part]))
        own = {name: h[name] for name in self._methods.hyperparameters}
        made = self._methods.call("update", params, gradient, state, clock.before, **own)
        if not isinstance(made, tuple) or len(made) != 2:
            self._fail(f"returns {kind(made)}, not the pair (params, state)")
        moved, after = made
        if not isinstance(moved, (tuple, list)) or len(moved) != len(params):
            self._fail(f"returns parameters that are no tuple of {len(params)}, as it is given")
        self._compare("the parameters", tuple(params), tuple(moved))
        self._compare("the state", state, after)
        return tuple(moved), _by_name(after)

    def _compare(self, what: str, before: Any, after: Any) -> None:
        """Check that what was updated has the structure, shapes and dtype that it had."""
        old, new = dict(_leaves(before, what)), dict(_leaves(after, what))
        if old.keys() != new.keys():
            self._fail(f"returns {what} in another structure than it is given")
        for name, leaf in old.items():
            other = new[name]
            if not isinstance(other, torch.Tensor) or (other.shape, other.dtype) != (
                leaf.shape,
                leaf.dtype,
            ):
                self._fail(f"{name} was {kind(leaf)} and becomes {kind(other)}; keep it as it was")

    def _fail(self, what: str) -> None:
        self._methods.calls.fail("update", what)


def _optimizer(problem: type, name: str, instance: Any) -> Optimizer:
    methods = _Methods(problem, name, instance)
    methods.takes("init", ("params",))
    methods.takes("update", ("params", "gradient", "state", "step"))
    adapter = _Adapter(methods)
    return Optimizer(
        name=name,
        hyperparameters=methods.hyperparameters,
        init=adapter.init,
        step=by_gradient(adapter.update),
        clocked=lambda used: True,
    )


def _items(nested: Any) -> list[tuple[Any, Any]] | None:
    """What a tuple, list or dict holds, each with its key; None: it is none."""
    if isinstance(nested, dict):
        return list(nested.items())
    return list(enumerate(nested)) if isinstance(nested, (tuple, list)) else None


def _leaves(nested: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Everything in nested tuples, lists and dicts that is none, each with its place."""
    items = _items(nested)
    if items is None:
        yield name, nested
    for key, value in items or ():
        yield from _leaves(value, f"{name}[{key!r}]")


def _emptied(nested: Any) -> Any:
    """The structure alone: a None in each tensor's place."""
    return _rebuilt(nested, iter(lambda: None, 0))


def _rebuilt(like: Any, parts: Iterator[Any]) -> Any:
    """What `parts` gives, in the structure of `like`."""
    if isinstance(like, dict):
        return {key: _rebuilt(value, parts) for key, value in like.items()}
    if isinstance(like, (tuple, list)):
        return type(like)(_rebuilt(value, parts) for value in like)
    return next(parts)


def _by_name(state: Any) -> Named:
    """A state by the names of its parts."""
    items = _items(state)
    if items is None:
        return {"state": (state,)}
    named = isinstance(state, dict)
    return {
        str(key) if named else f"state {key}": tuple(leaf for _, leaf in _leaves(part, ""))
        for key, part in items
    }
