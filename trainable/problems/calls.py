"""Calls of a problem's methods: what goes wrong in them is one line that names the user's line."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import torch

from shoal.trainable.errors import ContractError, explained, is_told_to_end, one_line
from shoal.trainable.problems.values import kind
from shoal.trainable.process import within

LOSS, METRICS, RESIDUALS = "loss_and_gradient", "metrics", "residuals"

_STACKED = (LOSS, "loss", "residuals", METRICS)
"""Methods that are called for many fits at once."""


def where(cls: type, method: str) -> str:
    """``file.py:LINE: Class.method`` of a method; without the line where it has none."""
    function = inspect.unwrap(getattr(cls, method))
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    place = f"{code.co_filename}:{code.co_firstlineno}: " if code else ""
    return f"{place}{cls.__name__}.{method}"


def data_of(problem: Any) -> Any:
    """Return ``problem.data()``, called where its code belongs (`trainable.process.standing`)."""
    with within(problem, draws=True):
        return problem.data()


def initial_of(problem: Any, seed: int, own: Mapping[str, torch.Tensor]) -> Any:
    """Return ``problem.initial(seed, **own)``, likewise."""
    with within(problem, draws=True):
        return problem.initial(seed, **own)


def called(problem: Any, method: str, *given: Any, **own: Any) -> Any:
    """Return what a method of the problem returns, likewise."""
    with within(problem):
        return getattr(problem, method)(*given, **own)


def noise_of(problem: Any, seed: int, step: int) -> Any:
    """Return ``problem.noise(seed, step)``, likewise."""
    with within(problem, draws=True):
        return problem.noise(seed, step)


def residuals_of(
    problem: Any, params: Any, data: Any, own: Mapping[str, torch.Tensor]
) -> torch.Tensor:
    """Return ``problem.residuals(params, data, **own)``, likewise.

    Args:
        own: hyperparameters of the loss; those that its signature names are given.

    Raises:
        ContractError: the problem has no such method.
    """
    method = getattr(problem, RESIDUALS, None)
    if not callable(method):
        raise ContractError(
            f"{type(problem).__name__} has no residuals(): the optimizer lm fits sums of squares; "
            "write def residuals(self, params, data), whose squares add up to the loss"
        )
    taken = inspect.signature(method).parameters
    with within(problem):
        found = method(params, data, **{name: own[name] for name in own if name in taken})
    if not isinstance(found, torch.Tensor) or found.dim() != 1:
        cls = type(problem)
        raise ContractError(f"{where(cls, RESIDUALS)} returns {kind(found)}, not shape (n,)")
    return found


def validation_of(problem: Any) -> Any:
    """Return ``problem.validation()``, likewise."""
    with within(problem, draws=True):
        return problem.validation()


def metrics_of(problem: Any, params: Any, rows: Any, own: Mapping[str, torch.Tensor]) -> Any:
    """Return ``problem.metrics(params, rows, **own)``, likewise."""
    with within(problem):
        return problem.metrics(params, rows, **own)


def predicted(problem: Any, params: Any, x: torch.Tensor) -> Any:
    """Return ``problem.predict(params, x)``, likewise."""
    with within(problem):
        return problem.predict(params, x)


class Calls:
    """Calls the methods of the class `cls`, and complains about them."""

    def __init__(self, cls: type) -> None:
        self.cls = cls

    @property
    def file(self) -> str | None:
        """The file that defines the class; None where there is none."""
        try:
            return inspect.getfile(self.cls)
        except (OSError, TypeError):
            return None

    def fail(self, method: str, what: str) -> NoReturn:
        """Complain about a method.

        Raises:
            ContractError: always.
        """
        raise ContractError(f"{self.where(method)}: {what}")

    def where(self, method: str) -> str:
        """``file.py:LINE: Class.method`` of a method's definition."""
        return where(self.cls, method)

    def guard(self, method: str, call: Callable[[], Any]) -> Any:
        """Call, and return what comes of it.

        Raises:
            ContractError: whatever it raises, in one line that names the line of the user's file.
        """
        try:
            return call()
        except ContractError:
            raise
        except BaseException as error:  # whatever the user's code raises is one line
            if is_told_to_end(error):
                raise
            frames = traceback.extract_tb(error.__traceback__)
            own = [frame for frame in frames if frame.filename == self.file]
            place = f"{self.file}:{own[-1].lineno}" if own else self.where(method)
            raised = own and own[-1] is frames[-1] and (own[-1].line or "").startswith("raise")
            told = one_line(error) if raised or method not in _STACKED else explained(error)
            raise ContractError(f"{place}: {told}") from error
