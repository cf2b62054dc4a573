"""A worker: runs packs one after the other in this process and keeps the programs it has built.

What goes wrong in a pack comes back as data: an exception would cost a Ray worker its process.
"""

from __future__ import annotations

import os
import socket
import time
import traceback
from dataclasses import dataclass
from typing import Any

import torch

from trainable.errors import one_line
from trainable.fit import Plan, fit
from trainable.lanes import Fitted, Lanes
from trainable.program import Program
from trainable.source import Source


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What all packs of a search have in common.

    Attributes:
        defaults: values of the hyperparameters that lanes do not bring.
        gpu: whether a pack has a GPU to itself.
    """

    source: Source
    plan: Plan
    block: int
    defaults: dict[str, float]
    gpu: bool = False

    def __repr__(self) -> str:
        return f"Recipe({self.source.spec})"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a pack: its rows, or the error that ended it.

    Attributes:
        started: seconds since 1970 (UTC) when the worker began.
        seconds: what fitting took.
        error: None, or one line.
        details: the traceback, where there is an error.
        first: whether it was the worker's first pack, which waits for the worker to start.
    """

    fitted: Fitted | None
    node: str
    device: str
    started: float
    seconds: float
    error: str | None = None
    details: str = ""
    first: bool = False

    @property
    def on_cpu(self) -> bool:
        """Whether it was fitted on a CPU."""
        return self.device.startswith("cpu")

    def __repr__(self) -> str:
        return f"Outcome({self.error or 'fitted'})"


class Worker:
    """Runs packs of one search."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._programs: dict[tuple[Any, ...], Program] = {}
        self._packs = 0

    def run(self, lanes: Lanes) -> Outcome:
        """Fit the lanes of one pack on one thread; errors of the problem come back as data."""
        device = "cuda" if self._recipe.gpu and torch.cuda.is_available() else "cpu"
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # sums would depend on the number of threads
        started, clock = time.time(), time.perf_counter()
        fitted, error, details = None, None, ""
        self._packs += 1
        try:
            fitted = fit(self._program(lanes, device), lanes, self._recipe.plan)
        except Exception as caught:  # the user's code may raise anything
            error, details = one_line(caught), traceback.format_exc()
        finally:
            torch.set_num_threads(threads)
        return Outcome(
            fitted=fitted,
            node=socket.gethostname(),
            device=_device_name(device, self._recipe.gpu),
            started=started,
            seconds=time.perf_counter() - clock,
            error=error,
            details=details,
            first=self._packs == 1,
        )

    def _program(self, lanes: Lanes, device: str) -> Program:
        key = tuple(lanes.shape.items())
        if key not in self._programs:
            shape = dict(lanes.shape)
            rule = shape.pop("rule")
            self._programs[key] = Program(
                self._recipe.source.load(),
                rule=rule,
                shape=shape,
                defaults=self._recipe.defaults,
                block=self._recipe.block,
                device=device,
            )
        return self._programs[key]


def _device_name(device: str, gpu: bool) -> str:
    """The device by the host's own numbering; a slot of a GPU without CUDA keeps its number."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    if device == "cuda":
        return f"cuda:{visible}"
    return f"cpu for gpu:{visible}" if gpu else "cpu"
