"""What a call is given: hyperparameters, and what it asks for by a reserved name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Given:
    """The arguments of one call.

    Attributes:
        values: hyperparameters by name.
        seed: of the call; stop: true once the call is to end.
        checkpoint: the folder of the attempt; None: the call asks for none.
    """

    values: Mapping[str, Any]
    seed: int
    stop: Callable[[], bool]
    checkpoint: Path | None = None

    def call(self, function: Callable[..., Any]) -> Any:
        """Call a function with what its parameters ask for."""
        own = {"seed": self.seed, "checkpoint": self.checkpoint, "stop": self.stop}
        parameters = inspect.signature(function).parameters
        named = dict(self.values)
        named.update({name: value for name, value in own.items() if name in parameters})
        positional = []
        for name, parameter in parameters.items():
            if parameter.kind is parameter.POSITIONAL_ONLY:
                if name not in named and parameter.default is parameter.empty:
                    break  # Python says what is missing
                positional.append(named.pop(name, parameter.default))
        return function(*positional, **named)
