"""What a function declares: its hyperparameters, and what it asks shoal for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shoal.trainable.errors import ContractError

RESERVED = ("seed", "checkpoint", "stop", "step")
"""Names of what shoal knows; no hyperparameter has one."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """The parameters of a function.

    Attributes:
        name: ``file.py:LINE: train``.
        own: hyperparameters, each with its default; one without is not there.
        needed: those without a default.
        any: whether it takes others too, by ``**``.
        asks: what it asks for: ``seed``, ``checkpoint``, ``stop``.
    """

    name: str
    own: dict[str, Any] = field(default_factory=dict)
    needed: tuple[str, ...] = ()
    any: bool = False
    asks: tuple[str, ...] = ()

    @property
    def known(self) -> list[str]:
        """The hyperparameters by name."""
        return [*self.needed, *self.own]


def declared(function: Callable[..., Any]) -> Declared:
    """Read the parameters of a function.

    Raises:
        ContractError: it cannot be called by names, or is async.
    """
    name = place_of(function)
    inner = inspect.unwrap(function)
    if inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner):
        raise ContractError(f"{name} is async; write it with def, without await")
    try:
        parameters = inspect.signature(function).parameters
    except (ValueError, TypeError):
        raise ContractError(f"{name} has no signature; write def train(lr): ...") from None
    own: dict[str, Any] = {}
    needed, asks, other = [], [], False
    for parameter in parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise ContractError(
                f"{name} takes *{parameter.name}; name each hyperparameter instead, as width=32"
            )
        if parameter.kind is parameter.VAR_KEYWORD:
            other = True
        elif parameter.name == "step":
            raise ContractError(
                f"{name} takes step, which is a part of its reports; leave it out, or call it "
                "otherwise, as steps"
            )
        elif parameter.name in RESERVED:
            asks.append(parameter.name)
        elif parameter.default is parameter.empty:
            needed.append(parameter.name)
        else:
            own[parameter.name] = parameter.default
    return Declared(name=name, own=own, needed=tuple(needed), any=other, asks=tuple(asks))


def place_of(function: Callable[..., Any]) -> str:
    """``file.py:LINE: name`` of a function; without the line where it has none."""
    inner = inspect.unwrap(function)
    code = getattr(inner, "__code__", None)
    name = getattr(function, "__name__", type(function).__name__)
    return f"{code.co_filename}:{code.co_firstlineno}: {name}" if code else name
