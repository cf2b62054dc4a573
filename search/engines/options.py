"""Options of one run: the engine, the number of workers, the address of a Ray, the time budget."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field
from typing import Any

import torch

from shoal.search.errors import BadInput
from shoal.search.machine import cores
from shoal.search.process import tell
from shoal.search.programs import Meanwhile
from shoal.search.request import BY_NAME, Request, check_settings
from shoal.search.space import plain
from shoal.trainable.functions import Limits

INLINE_SECONDS, COMPILED_INLINE_SECONDS = 4.0, 120.0
"""Up to so much work of one core, `auto` runs packs in the driver's process: Ray takes eight
seconds to start. What is compiled can run on all cores there."""

MAX_THREADS = 16
"""More would wait for each other: a thirtieth of a kernel's time is Python's."""

CHECKPOINT_SECONDS, GRACE_SECONDS = 300.0, 20.0

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


_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def bytes_of(given: Any) -> int:
    """Return the bytes of a size such as ``512M`` or ``4G``.

    Raises:
        BadInput: it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(plain(given)).strip(), re.I)
    size = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if size <= 0:
        raise BadInput(f"memory={given}: give a size, as 512M or 4G")
    return size


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and for how long this run of a search works; nothing here changes the table.

    Attributes:
        workers: packs at once; None: one per GPU, else one per core.
        address: a running Ray; None: RAY_ADDRESS if it is set, else one of our own.
        checkpoint_seconds: between checkpoints of a pack; None: none.
        budget_seconds: how long the search may take; None: until it is whole.
        limits: of calls of a function or a program.
        patient: whether a search that ends at once waits for calls of the problem that run: a
            session that goes on has its working folder and its settings again after them.
    """

    engine: str = "auto"
    workers: int | None = None
    address: str | None = None
    checkpoint_seconds: float | None = CHECKPOINT_SECONDS
    budget_seconds: float | None = None
    limits: Limits = field(default_factory=Limits)
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
        memory: str | int | None,
        trial_timeout: str | float | None,
        grace: str | float,
        fresh: bool,
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
        given = {
            "checkpoint": checkpoint,
            "time_budget": time_budget,
            "trial_timeout": trial_timeout,
            "grace": grace,
        }
        nothing = {**dict.fromkeys(given, "" if typed else "None"), "grace": ""}
        if typed:
            nothing["checkpoint"] = "off"
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
            limits=Limits(
                memory=0 if memory is None else bytes_of(memory),
                fresh=fresh,
                grace=seconds["grace"] or 0.0,
                timeout=seconds["trial_timeout"] or math.inf,
            ),
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
        """Return the engine; it depends on the arguments alone, never on a clock.

        Raises:
            BadInput: calls need more GPUs than this machine has.
        """
        there = torch.cuda.device_count() if request.gpus and self.ray_address is None else 0
        if request.gpus > there and self.ray_address is None:
            raise BadInput(
                f"gpus={request.gpus:g}: torch finds {there} GPUs on this machine; leave it out, "
                "or give the address of a Ray that has some"
            )
        if self.engine != "auto":
            return self.engine
        if request.called:
            return "ray" if self.ray_address is not None else "inline"
        if self.ray_address is not None or torch.cuda.is_available():
            return "ray"
        compiled = request.program == "compiled"
        most = COMPILED_INLINE_SECONDS if compiled else INLINE_SECONDS
        return "inline" if request.lanes * request.lane_seconds <= most else "ray"

    def threads(self, request: Request) -> int:
        """Return how many packs run at the same time in the driver's process."""
        if request.called and self.workers is None:
            most = max(1, cores() // request.cpus)
            gpus = torch.cuda.device_count() if request.gpus else 0
            return max(1, min(most, int(gpus / request.gpus))) if gpus else most
        return self.workers or (min(cores(), MAX_THREADS) if request.program == "compiled" else 1)
