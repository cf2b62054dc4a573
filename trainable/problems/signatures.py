"""The hyperparameters of a problem, and which of its methods say what, by their signatures."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoal.trainable.errors import ContractError
from shoal.trainable.problems.calls import where


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """The hyperparameters that a problem declares, each with its default (None: it has none)."""

    shape: dict[str, Any]
    loss: dict[str, float | None]
    initial: dict[str, float | None]
    metrics: dict[str, float | None] | None = None
    """Those of ``metrics``; None: the problem has no such method."""
    method: str = "loss_and_gradient"
    """The method that gives the loss: this, ``loss`` or ``residuals``."""
    start: str = "initial"
    """The method that gives the initial parameters: this or ``module``."""
    given: tuple[str, ...] = ()
    """What the loss takes besides hyperparameters: ``step``, ``noise``."""

    @property
    def own(self) -> dict[str, float | None]:
        """Those of one lane: of the loss, of the initial parameters and of the metrics together."""
        return {**self.initial, **(self.metrics or {}), **self.loss}

    def method_of(self, name: str) -> str:
        """The method that takes a hyperparameter."""
        if name in self.shape:
            return "__init__"
        if name in self.loss:
            return self.method
        return self.start if name in self.initial else "metrics"


_WRITTEN = {
    "data": "data(self)",
    "initial": "initial(self, seed)",
    "module": "module(self)",
    "loss_and_gradient": "loss_and_gradient(self, params, data)",
    "loss": "loss(self, params, data)",
    "residuals": "residuals(self, params, data)",
    "prepare": "prepare(self)",
    "validation": "validation(self)",
    "metrics": "metrics(self, params, validation)",
    "predict": "predict(self, params, x)",
    "noise": "noise(self, seed, step)",
}
"""Each method as it is written."""

_OF_MODULE = {
    "loss": "loss(self, predict, data)",
    "metrics": "metrics(self, predict, validation)",
    "predict": "predict(self, predict, x)",
}
"""The same, where the problem has a module."""

LOSSES = ("loss_and_gradient", "loss", "residuals")
"""The methods that give a loss; the first of them that a problem has is its own."""

MODULE = "module"
"""The method that brings parameters, and buffers, instead of ``initial``."""

BATCH = "batch"
"""The attribute, and the shape hyperparameter, that says how many rows an update takes."""

STEP, NOISE = "step", "noise"
"""What a loss may take besides hyperparameters."""


def hyperparameters(problem: type) -> Hyperparameters:
    """Read the hyperparameters of the class `problem` from its signatures.

    Raises:
        ContractError: a method is missing, takes too few arguments, or one name means two things.
    """
    start = MODULE if hasattr(problem, MODULE) else "initial"
    method = next((name for name in LOSSES if hasattr(problem, name)), LOSSES[0])
    if start == MODULE and hasattr(problem, "initial"):
        raise ContractError(
            f"{problem.__name__} has initial() and module(); leave out one of them: a module "
            "brings its own initial parameters"
        )
    if start == MODULE and method != "loss":
        if method != LOSSES[0] or hasattr(problem, method):
            raise ContractError(
                f"{where(problem, method)} with module(): write def {_OF_MODULE['loss']} instead, "
                "whose gradient torch makes"
            )
        method = "loss"
    written = {**_WRITTEN, **(_OF_MODULE if start == MODULE else {})}
    wanted = {"data": 1, start: 1 if start == MODULE else 2, method: 3}
    optional = {"prepare": 1, "validation": 1, "metrics": 3, "predict": 3, "loss": 3, "noise": 3}
    for name, least in {**optional, **wanted}.items():
        if name not in wanted and not hasattr(problem, name):
            continue
        _check_method(problem, name, least, written, required=name in wanted)
    taken = _defaults(problem, method, skip=3)
    given = tuple(name for name in (STEP, NOISE) if name in taken)
    if NOISE in given and not hasattr(problem, NOISE):
        raise ContractError(
            f"{where(problem, method)} takes noise, and {problem.__name__} has no noise(); write "
            f"def {_WRITTEN[NOISE]}, or call a hyperparameter otherwise, as noise_"
        )
    if hasattr(problem, NOISE) and NOISE not in given:
        raise ContractError(f"{where(problem, method)} does not take noise; add it: noise=None")
    found = Hyperparameters(
        shape=_shape(problem),
        loss={name: value for name, value in taken.items() if name not in given},
        initial=_defaults(problem, start, skip=wanted[start]),
        metrics=_defaults(problem, "metrics", skip=3) if hasattr(problem, "metrics") else None,
        method=method,
        start=start,
        given=given,
    )
    if start == MODULE and found.initial:
        raise ContractError(
            f"{where(problem, start)} takes {', '.join(found.initial)}; take it in __init__, since "
            "it may change the module"
        )
    twice = found.shape.keys() & found.own.keys()
    if twice:
        raise ContractError(
            f"{problem.__name__}: {', '.join(sorted(twice))} cannot be a parameter both of "
            f"__init__ (a shape hyperparameter) and of {method}, {start} or metrics"
        )
    return found


def _check_method(
    problem: type, name: str, least: int, written: Mapping[str, str], *, required: bool
) -> None:
    """Check that a method is one, and takes what it is given.

    Raises:
        ContractError: it is not, or does not.
    """
    function = getattr(problem, name, None)
    if not callable(function):
        if hasattr(problem, name) and not required:
            raise ContractError(
                f"{problem.__name__}.{name} is no method; write def {written[name]}"
            )
        raise ContractError(
            f"{problem.__name__} has no {name}(); a problem has data(), initial(seed) or module(), "
            "and loss_and_gradient(params, data) or loss(params, data)"
        )
    given = [p for p in _parameters(function) if p.kind is not p.KEYWORD_ONLY]
    if not given:
        raise ContractError(
            f"{where(problem, name)} takes no self; make it a method, def {written[name]}"
        )
    if len(given) < least:
        count = f"{len(given) - 1} argument{'s' if len(given) != 2 else ''}"
        raise ContractError(
            f"{where(problem, name)} takes {count} besides self, "
            f"not {least - 1}: write def {written[name]}"
        )


def _parameters(function: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except ValueError:
        raise ContractError(f"{function!r} has no signature; write the method in Python") from None


def _shape(problem: type) -> dict[str, Any]:
    """The shape hyperparameters: those of ``__init__``, and the batch where there is one."""
    own = _defaults(problem, "__init__", skip=1)
    batch = getattr(problem, BATCH, None)
    return own if batch is None or BATCH in own else {**own, BATCH: batch}


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
