"""The runner of stacked fits: in this process, by programs that it keeps.

Told to stop, it saves the pack that it has in hand and gives it back unfinished. It runs a pack by
the very program that was settled for its shape; where that cannot be had on this host, it gives the
pack back as its host's fault, for others to run. Where a pack fails, a lane that has worked before
(the control) tells whether the pack is to blame: if that fails too, something of the host is.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from shoal.trainable.errors import CompileError, is_told_to_end, one_line
from shoal.trainable.fitting import CheckpointKeeper, fit
from shoal.trainable.fused import target_of
from shoal.trainable.halt import Halt
from shoal.trainable.modules import traceback_of
from shoal.trainable.process import ambient
from shoal.trainable.programs import CAPTURED, KERNEL, PIECES, Program
from shoal.trainable.programs import key as key_of
from shoal.trainable.task import Outcome, StackedRecipe, Task

AGAIN_SECONDS = 60.0
"""Time after which a program that failed on this host is tried again."""

STOP_SECONDS = 0.05
"""Interval at which a waiting worker polls for a stop."""


class Stacked:
    """Runs packs whose lanes are fitted side by side."""

    def __init__(self, recipe: StackedRecipe) -> None:
        self._recipe = recipe
        self._programs: dict[tuple[Any, ...], Program] = {}
        self._faults: dict[tuple[Any, ...], tuple[float, str]] = {}

    def run(
        self, task: Task, stop: Callable[[], bool], halt: Halt, at_once: Callable[[], bool]
    ) -> Outcome:
        """Fit the lanes of one pack on one thread; `stop` is asked after each update."""
        with ambient.as_left(self._recipe.source.key):
            return self._run(task, stop, halt)

    def close(self) -> None:
        """Nothing was started."""

    def _run(self, task: Task, stop: Callable[[], bool], halt: Halt) -> Outcome:
        device = self._device(task)
        torch.set_num_threads(1)  # sums would depend on the number of threads
        started, clock = time.time(), time.perf_counter()
        fitted, error, fault, details, memory, tried = None, None, None, "", False, False
        keeper = CheckpointKeeper(task.saving, stop, device=device, began=started)
        program = None
        try:
            self._check(task)
            program = self._program(task, device)
            program.heed(halt)
            fitted = fit(program, task.lanes, self._recipe.plan, keeper, task.known)
        except CompileError as caught:
            fault = self._fault(task, str(caught), stop)
        except BaseException as caught:  # the user's code may raise anything
            if is_told_to_end(caught):
                raise
            error, details = one_line(caught), traceback_of(caught)
            memory = is_out_of_memory(caught)
            tried = task.control is not None and not (memory and task.block > 1)
            if tried and (broken := self._control(task)) is not None:
                error, (fault, details) = None, broken
                self._wait(stop)
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
            fault=fault,
            control=tried,
            memory=memory,
            stopped=fitted is None and error is None and fault is None,
            saved=keeper.saved,
            notes=tuple(notes),
            details=details,
        )

    def _device(self, task: Task) -> str:
        """The device of a pack's program: what is compiled for a CPU runs on one."""
        kind = self._recipe.settled.programs.get(key_of(task.lanes.shape))
        gpu = self._recipe.gpu and kind not in (KERNEL, PIECES) and torch.cuda.is_available()
        return "cuda" if gpu else "cpu"

    def _check(self, task: Task) -> None:
        """Raise a recent failure again at once, without another attempt."""
        when, why = self._faults.get(self._name(task), (-math.inf, ""))
        if time.monotonic() - when < AGAIN_SECONDS:
            raise CompileError(why)

    def _fault(self, task: Task, why: str, stop: Callable[[], bool]) -> str:
        """Record that this host cannot run a pack; wait, so that other hosts take it."""
        if self._name(task) in self._programs:
            del self._programs[self._name(task)]  # it is tried from the beginning
            self._faults[self._name(task)] = time.monotonic(), why
        self._wait(stop)
        return why

    def _control(self, task: Task) -> tuple[str, str] | None:
        """Run one update of a lane that has worked before, from the import on; return why it fails,
        in one line and in full, or None.

        It runs on the CPU, operation by operation: what is compiled, and a GPU that a failed pack
        has left unusable, are no part of the question.
        """
        if task.control is None:
            raise ValueError("a control needs a fit that has worked before")
        try:
            usual = self._recipe.settled.usual
            program = self._recipe.made(task.control, block=1, device="cpu", kind=usual)
            plan = replace(
                self._recipe.plan, steps=1, report=1, keep=0, epochs=False, pruner=None, rungs=()
            )
            fit(program, task.control, plan)
        except BaseException as caught:
            if is_told_to_end(caught):
                raise
            return one_line(caught), traceback_of(caught)
        return None

    def _wait(self, stop: Callable[[], bool]) -> None:
        """Keep a pack that this host cannot run for a while, so that other hosts take the next."""
        until = time.monotonic() + self._recipe.patience
        while time.monotonic() < until and not stop():
            time.sleep(STOP_SECONDS)

    def _program(self, task: Task, device: str) -> Program:
        name, recipe = self._name(task), self._recipe
        if name not in self._programs:
            kind = recipe.settled.of(task.lanes.shape)
            if kind == CAPTURED and device == "cpu":
                raise CompileError("torch finds no CUDA here")
            if kind in (KERNEL, PIECES):
                _check_flags(recipe.settled.flags.split(), target_of(device).flags)
            program = recipe.made(task.lanes, block=task.block, device=device, kind=kind)
            program.common = recipe.common
            self._programs[name] = program
        self._programs[name].block = task.block
        return self._programs[name]

    def _name(self, task: Task) -> tuple[Any, ...]:
        """The key of a pack's program."""
        shape = task.lanes.shape
        block = () if self._recipe.settled.takes_any(shape) else (task.block,)
        return *block, *shape.items()


def _check_flags(began: Sequence[str], here: Sequence[str]) -> None:
    """Check that kernels are compiled as those that a search began with.

    Raises:
        CompileError: they are not: their numbers have other last digits.
    """
    if list(began) == list(here):
        return
    theirs = " ".join(flag for flag in began if flag not in here) or "other flags"
    ours = " ".join(flag for flag in here if flag not in began) or "fewer"
    raise CompileError(
        f"the search began with another version of shoal, whose kernels are compiled with {theirs} "
        f"({ours} here); install that version"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of a GPU or of the host."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _device_name(device: str, gpu: bool) -> str:
    """The device by the host's own numbering; a slot of a GPU without CUDA keeps its number.

    Ray gives a worker one device, by its maker's variable; SLURM may have set the other's too.
    """
    told = [os.environ.get(f"{maker}_VISIBLE_DEVICES", "") for maker in ("CUDA", "HIP")]
    visible = min((names.split(",") for names in told if names), key=len, default=["0"])[0]
    if device == "cuda":
        return f"cuda:{visible}"
    return f"cpu for gpu:{visible}" if gpu else "cpu"
