"""Options of one run: the engine, the number of workers, the address of a Ray, the time budget."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from typing import Any

import torch

from shoal.search.errors import BadInput
from shoal.search.machine import cores
from shoal.search.process import tell
from shoal.search.programs import Meanwhile
from shoal.search.request import BY_NAME, Request, check_settings
from shoal.search.space import plain

INLINE_SECONDS, COMPILED_INLINE_SECONDS = 4.0, 120.0
"""Up to so much work of one core, `auto` runs packs in the driver's process: Ray takes eight
seconds to start. What is compiled can run on all cores there."""

MAX_THREADS = 16
"""More would wait for each other: a thirtieth of a kernel's time is Python's."""

CHECKPOINT_SECONDS = 300.0

MAX_SECONDS = 1e9
"""Thirty years: the longest duration."""

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


def seconds_of(name: str, given: Any, instead: str = "") -> float:
    """Return the seconds of a duration such as ``90``, ``90s``, ``10m`` or ``1h30m``.

    Args:
        name: what it is for; instead: what may stand there besides. For the message.

    Raises:
        BadInput: it is none, or nothing.
    """
    total, given = 0.0, plain(given)
    if isinstance(given, str) and (found := _DURATION.fullmatch(given.strip())):
        parts = [float(part or 0) for part in found.groups()]
        total = sum(part * size for part, size in zip(parts, (86400, 3600, 60, 1), strict=True))
    elif isinstance(given, (int, float)) and not isinstance(given, bool) and given <= MAX_SECONDS:
        total = float(given)
    if not 0 < total <= MAX_SECONDS:
        allowed = f"90s, 10m or 1h30m{instead and f', or {instead}'}"
        raise BadInput(f"{name}={given}: give a duration, as in {allowed}")
    return total


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and for how long this run of a search works; nothing here changes the table.

    Attributes:
        workers: packs at once; None: one per GPU, else one per core.
        address: a running Ray; None: RAY_ADDRESS if it is set, else one of our own.
        checkpoint_seconds: between checkpoints of a pack; None: none.
        budget_seconds: how long the search may take; None: until it is whole.
        patient: whether a search that ends at once waits for calls of the problem that run: a
            session that goes on has its working folder and its settings again after them.
    """

    engine: str = "auto"
    workers: int | None = None
    address: str | None = None
    checkpoint_seconds: float | None = CHECKPOINT_SECONDS
    budget_seconds: float | None = None
    patient: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "workers", plain(self.workers))  # numpy's number as Python's
        check_settings({"engine": self.engine})
        if self.workers is not None:
            check_settings({"workers": self.workers})
        if self.engine == "inline" and self.address is not None:
            raise BadInput("an address needs Ray; leave out --engine inline or --address")

    @classmethod
    def of(
        cls,
        *,
        engine: str,
        workers: int | None,
        address: str | None,
        checkpoint: str | float | None,
        time_budget: str | float | None,
        patient: bool,
        typed: bool,
    ) -> RunOptions:
        """Read the options of a user, with durations such as ``5m``.

        Args:
            checkpoint: None, or ``off`` where it is typed: none.
            typed: whether it came from the command line, as messages then name it.

        Raises:
            BadInput: one of them is wrong.
        """
        given = {"checkpoint": checkpoint, "time_budget": time_budget}
        nothing = (
            {"checkpoint": "off", "time_budget": ""} if typed else dict.fromkeys(given, "None")
        )
        if typed and checkpoint == nothing["checkpoint"]:
            given["checkpoint"] = None
        seconds = {
            name: None
            if value is None
            else seconds_of(BY_NAME[name].option if typed else name, value, nothing[name])
            for name, value in given.items()
        }
        return cls(
            engine=engine,
            workers=workers,
            address=address,
            checkpoint_seconds=seconds["checkpoint"],
            budget_seconds=seconds["time_budget"],
            patient=patient,
        )

    @property
    def ray_address(self) -> str | None:
        """The address of the running Ray to use; None: start one."""
        if self.engine == "inline":
            return None
        address = self.address or os.environ.get("RAY_ADDRESS") or None
        return None if address == "local" else address

    def meanwhile(self, began: float, told: bool) -> Meanwhile:
        """Return what happens while programs are compiled: messages, and the end of the time
        budget.

        Args:
            began: when the search began, of ``time.monotonic()``; told: whether it is shown.
        """
        until = math.inf if self.budget_seconds is None else began + self.budget_seconds
        return Meanwhile(say=tell, until=until) if told else Meanwhile(until=until)

    def choose(self, request: Request) -> str:
        """Return the engine; it depends on the arguments alone, never on a clock."""
        if self.engine != "auto":
            return self.engine
        if self.ray_address is not None or torch.cuda.is_available():
            return "ray"
        compiled = request.program == "compiled"
        if not compiled and (self.workers or 1) > 1:
            return "ray"
        most = COMPILED_INLINE_SECONDS if compiled else INLINE_SECONDS
        return "inline" if request.lanes * request.lane_seconds <= most else "ray"

    def threads(self, request: Request) -> int:
        """Return how many packs run at the same time in the driver's process."""
        return self.workers or (min(cores(), MAX_THREADS) if request.program == "compiled" else 1)
