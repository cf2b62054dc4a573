"""What a search runs on: the engine, the number of workers, a running Ray."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from search.errors import BadInput
from search.request import Request

ENGINES = ("auto", "ray", "inline")

INLINE_UPDATES = 256 * 2000
"""Up to so many updates in all, `auto` runs packs in the driver's process: Ray takes six seconds to
start, in which one core fits some 500 lanes of the default problem."""


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a search runs on; none of it changes the table.

    Attributes:
        workers: packs at once; None: one per GPU, else one per core.
        address: a running Ray; None: RAY_ADDRESS if it is set, else one of our own.
    """

    engine: str = "auto"
    workers: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise BadInput(f"unknown engine {self.engine!r}; known: {', '.join(ENGINES)}")
        workers = self.workers
        if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int)):
            raise BadInput(f"workers must be a whole number, not {workers!r}")
        if workers is not None and workers < 1:
            raise BadInput(f"workers must be at least 1, not {workers}")
        if self.engine == "inline" and self.address is not None:
            raise BadInput("an address needs Ray; leave out --engine inline or --address")
        if self.engine == "inline" and (workers or 1) > 1:
            raise BadInput("the inline engine has one worker; use --engine ray for more")

    @property
    def ray_address(self) -> str | None:
        """The running Ray to use, or None for one of our own."""
        if self.engine == "inline":
            return None
        address = self.address or os.environ.get("RAY_ADDRESS")
        return None if address == "local" else address

    def choose(self, request: Request) -> str:
        """Return the engine: from the arguments, never from a clock."""
        if self.engine != "auto":
            return self.engine
        if self.ray_address is not None or (self.workers or 1) > 1 or torch.cuda.is_available():
            return "ray"
        return "inline" if request.lanes * request.steps <= INLINE_UPDATES else "ray"
