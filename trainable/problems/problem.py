"""The contract of a problem: data, initial parameters, loss and gradient of **one** fit.

A problem is a class; nothing need be imported to write one:

    class Ridge:
        space = {"lr": "1e-4:1:log", "l2": "1e-6:1:log"}      # the default space

        def __init__(self, degree=3):                         # shape hyperparameters
            self.degree = degree

        def data(self):                                       # shared by all lanes
            x = torch.linspace(-1, 1, 100)
            return torch.stack([x**k for k in range(self.degree + 1)]), torch.sin(3 * x)

        def initial(self, seed):                              # parameters of one lane
            generator = torch.Generator().manual_seed(seed)
            return (torch.randn(self.degree + 1, generator=generator),)

        def loss_and_gradient(self, params, data, l2=0.0):    # l2: its own hyperparameter
            (w,), (X, y) = params, data
            r = w @ X - y
            return (r * r).sum() + l2 * (w * w).sum(), (2 * (X @ r) + 2 * l2 * w,)

Hyperparameters are read from the signatures: keyword parameters of ``__init__`` are shape
hyperparameters (Python values), those of ``loss_and_gradient``, ``initial`` and ``metrics`` are the
lane's own (0-dimensional tensors). An optimizer adds its own (`shoal.trainable.optimizers`). All
functions are pure: no randomness but from ``seed``, no ``.item()`` or ``float()``, no ``if`` on a
tensor, nothing in place. `shoal.trainable.checking` checks all of this.

What else a problem may have:

    objective = "accuracy:max"                    what is searched for: NAME or NAME:min or NAME:max
    inputs = ("age", "height")                    columns of a table to predict for, in this order
    stratify = "y"                                the item of data() whose values folds share evenly
    prepare(self)                                 a dict of tensors, kept as self.prepared
    validation(self)                              rows to judge by, never fitted to
    metrics(self, params, validation, **hyper)    a dict of numbers, tensors of shape ()
    residuals(self, params, data)                 shape (n,): their squares add up to the loss
    optimizers, schedules                         its own, by name (`shoal.trainable.optimizers`)
    predict(self, params, x)                      what the fitted model says of rows x
    describe(self, params)                        the fitted model in words
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from shoal.trainable.errors import ContractError
from shoal.trainable.problems.calls import where

Params = tuple[torch.Tensor, ...] | dict[str, torch.Tensor]
"""Parameters or gradient of one lane: any tuple or dict of floating-point tensors."""

Leaves = tuple[torch.Tensor, ...]
"""The tensors of a `Params`, in order."""


class Problem(Protocol):
    """What a problem offers; a class of this shape is one, without inheriting."""

    space: Mapping[str, str]

    def data(self) -> Any:
        """Return a tensor, or a tuple or dict of tensors: what every lane is fitted to."""

    def initial(self, seed: int) -> Params:
        """Return the initial parameters of one lane, the same for the same seed."""

    def loss_and_gradient(
        self, params: Params, data: Any, **own: torch.Tensor
    ) -> tuple[torch.Tensor, Params]:
        """Return the loss (shape ``()``) and the gradient (structure and shapes of `params`)."""


def leaves(params: Params) -> Leaves:
    """Return the tensors of `params`, in order."""
    return tuple(params.values()) if isinstance(params, dict) else tuple(params)


def names(params: Params) -> tuple[str, ...]:
    """Return a name for each leaf: the key, or the position from 0."""
    if isinstance(params, dict):
        return tuple(str(key) for key in params)
    return tuple(str(index) for index in range(len(params)))


def like(params: Params, values: Leaves) -> Params:
    """Return `values` in the structure of `params`."""
    if isinstance(params, dict):
        return dict(zip(params, values, strict=True))
    return tuple(values)


def of_names(named: Mapping[str, torch.Tensor]) -> Params:
    """Return parameters by the names that `names` gives them: a tuple, if these are positions."""
    values = dict(named)
    if list(values) == [str(index) for index in range(len(values))]:
        return tuple(values.values())
    return values


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """The hyperparameters that a problem declares, each with its default (None: it has none)."""

    shape: dict[str, Any]
    loss: dict[str, float | None]
    initial: dict[str, float | None]
    metrics: dict[str, float | None] | None = None
    """Those of ``metrics``; None: the problem has no such method."""

    @property
    def own(self) -> dict[str, float | None]:
        """Those of one lane: of the loss, of the initial parameters and of the metrics together."""
        return {**self.initial, **(self.metrics or {}), **self.loss}

    def method_of(self, name: str) -> str:
        """The method that takes a hyperparameter."""
        if name in self.shape:
            return "__init__"
        if name in self.loss:
            return "loss_and_gradient"
        return "initial" if name in self.initial else "metrics"


_WRITTEN = {
    "data": "data(self)",
    "initial": "initial(self, seed)",
    "loss_and_gradient": "loss_and_gradient(self, params, data)",
    "prepare": "prepare(self)",
    "validation": "validation(self)",
    "metrics": "metrics(self, params, validation)",
    "residuals": "residuals(self, params, data)",
    "predict": "predict(self, params, x)",
}
"""Each method as it is written."""


def hyperparameters(problem: type) -> Hyperparameters:
    """Read the hyperparameters of the class `problem` from its signatures.

    Raises:
        ContractError: a method is missing, takes too few arguments, or one name means two things.
    """
    wanted = {"data": 1, "initial": 2, "loss_and_gradient": 3}
    optional = {"prepare": 1, "validation": 1, "metrics": 3, "residuals": 3, "predict": 3}
    for method, least in {**wanted, **optional}.items():
        if method in optional and not hasattr(problem, method):
            continue
        function = getattr(problem, method, None)
        if not callable(function):
            if method in optional:
                raise ContractError(
                    f"{problem.__name__}.{method} is no method; write def {_WRITTEN[method]}"
                )
            raise ContractError(
                f"{problem.__name__} has no {method}(); "
                "a problem has data(), initial(seed) and loss_and_gradient(params, data)"
            )
        given = [p for p in _parameters(function) if p.kind is not p.KEYWORD_ONLY]
        if not given:
            raise ContractError(
                f"{where(problem, method)} takes no self; make it a method, def {_WRITTEN[method]}"
            )
        if len(given) < least:
            count = f"{len(given) - 1} argument{'s' if len(given) != 2 else ''}"
            raise ContractError(
                f"{where(problem, method)} takes {count} besides self, "
                f"not {least - 1}: write def {_WRITTEN[method]}"
            )
    found = Hyperparameters(
        shape=_defaults(problem, "__init__", skip=1),
        loss=_defaults(problem, "loss_and_gradient", skip=3),
        initial=_defaults(problem, "initial", skip=2),
        metrics=_defaults(problem, "metrics", skip=3) if hasattr(problem, "metrics") else None,
    )
    twice = found.shape.keys() & found.own.keys()
    if twice:
        raise ContractError(
            f"{problem.__name__}: {', '.join(sorted(twice))} cannot be a parameter both of "
            "__init__ (a shape hyperparameter) and of loss_and_gradient, initial or metrics"
        )
    return found


def _parameters(function: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except ValueError:
        raise ContractError(f"{function!r} has no signature; write the method in Python") from None


def _defaults(problem: type, method: str, skip: int) -> dict[str, Any]:
    function = problem.__dict__.get(method) or getattr(problem, method)
    if method == "__init__" and function is object.__init__:
        return {}
    found: dict[str, Any] = {}
    for parameter in _parameters(function)[skip:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ContractError(
                f"{where(problem, method)} takes {parameter}; "
                "name each hyperparameter instead, as l2=0.0"
            )
        empty = parameter.default is parameter.empty
        found[parameter.name] = None if empty else parameter.default
    return found
