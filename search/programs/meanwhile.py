"""What is seen to while programs are compiled, before a search has begun."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _nobody(message: str) -> None:
    return


@dataclass(frozen=True, kw_only=True)
class Meanwhile:
    """What is seen to while it takes long.

    Attributes:
        say: tells the user how far it is.
        until: when it must end, of ``time.monotonic()``.
    """

    say: Callable[[str], None] = _nobody
    until: float = float("inf")
