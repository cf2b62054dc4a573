"""A worker: runs packs one after the other in this process and keeps the programs it has built.

What goes wrong in a pack comes back as data: an exception would cost a Ray worker its process.
Told to stop, it saves the pack that it has in hand and gives it back unfinished.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from trainable import checkpoint
from trainable.block import Plan
from trainable.checkpoint import CheckpointKeeper, Saving
from trainable.errors import one_line
from trainable.fit import fit
from trainable.lanes import Fitted, Lanes
from trainable.lines import traceback_of
from trainable.program import Program, never
from trainable.source import Source


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What all packs of a search have in common.

    Attributes:
        program: how the step is run: ``eager`` or ``compiled``.
        unroll: updates between two moments at which a pack can be paused.
        defaults: values of the hyperparameters that lanes do not bring.
        gpu: whether a pack has a GPU to itself.
    """

    source: Source
    plan: Plan
    program: str
    unroll: int
    defaults: dict[str, float]
    gpu: bool = False

    def key(self, lanes: Lanes, block: int) -> str:
        """Return the hash that names the checkpoints of a pack."""
        return checkpoint.key(
            lanes, program=f"{self.source.sha256} {self.program}", plan=self.plan, block=block,
            defaults=self.defaults,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"Recipe({self.source.spec})"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A pack to run.

    Attributes:
        block: lanes in one tensor operation.
        saving: where its checkpoints go, or None for none.
    """

    lanes: Lanes
    block: int
    saving: Saving | None = None

    def __repr__(self) -> str:  # Ray Tune formats what passes through it
        return f"Task({len(self.lanes)})"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a pack: its rows, or the error that ended it.

    Attributes:
        started: seconds since 1970 (UTC) when the pack was first begun.
        seconds: what fitting took this time, without making the program ready;
        before: what it took until the checkpoint.
        error: None, or one line.
        memory: whether the error is that memory ran out.
        stopped: whether it was told to stop and is unfinished; saved: whether it can go on.
        notes: what went wrong with checkpoints, or with compiling.
        details: the traceback, where there is an error.
        first: whether it was the worker's first pack, which waits for the worker to start.
    """

    fitted: Fitted | None
    node: str
    device: str
    started: float
    seconds: float
    before: float = 0.0
    error: str | None = None
    memory: bool = False
    stopped: bool = False
    saved: bool = False
    notes: tuple[str, ...] = ()
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

    def run(self, task: Task, stop: Callable[[], bool] = never) -> Outcome:
        """Fit the lanes of one pack on one thread; errors of the problem come back as data.

        Args:
            stop: asked after each update; where it says so, the pack is saved and given back.
        """
        device = "cuda" if self._recipe.gpu and torch.cuda.is_available() else "cpu"
        torch.set_num_threads(1)  # sums would depend on the number of threads
        started, clock = time.time(), time.perf_counter()
        fitted, error, details, memory = None, None, "", False
        self._packs += 1
        keeper = CheckpointKeeper(task.saving, stop, device=device, began=started)
        program = None
        try:
            program = self._program(task, device)
            fitted = fit(program, task.lanes, self._recipe.plan, keeper)
        except (Exception, SystemExit) as caught:  # the user's code may raise anything
            error, details = one_line(caught), traceback_of(caught)
            memory = is_out_of_memory(caught)
        seconds = time.perf_counter() - clock
        notes = keeper.notes
        if program is not None:
            told, preparing = program.told()
            notes, seconds = [*notes, *told], seconds - preparing
        return Outcome(
            fitted=fitted,
            node=socket.gethostname(),
            device=_device_name(device, self._recipe.gpu),
            started=keeper.began,
            seconds=seconds,
            before=keeper.before,
            error=error,
            memory=memory,
            stopped=fitted is None and error is None,
            saved=keeper.saved,
            notes=tuple(notes),
            details=details,
            first=self._packs == 1,
        )

    def _program(self, task: Task, device: str) -> Program:
        key = (task.block, *task.lanes.shape.items())
        if key not in self._programs:
            shape = dict(task.lanes.shape)
            rule = shape.pop("rule")
            self._programs[key] = Program(
                self._recipe.source.load(),
                rule=rule,
                shape=shape,
                defaults=self._recipe.defaults,
                block=task.block,
                device=device,
                compiled=self._recipe.program == "compiled",
                unroll=self._recipe.unroll,
            )
        return self._programs[key]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of a GPU or of the host."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _device_name(device: str, gpu: bool) -> str:
    """The device by the host's own numbering; a slot of a GPU without CUDA keeps its number."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    if device == "cuda":
        return f"cuda:{visible}"
    return f"cpu for gpu:{visible}" if gpu else "cpu"
