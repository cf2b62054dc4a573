"""The runner of functions and programs: one call a fit, in a process that is used again.

A call's process may die and the call is tried once more, from its last checkpoint if it has one; a
second death without a report in between that was new is its own doing. The process is renewed when
its memory has grown by a fifth since its first call.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch

from shoal.trainable.functions.messages import Asked
from shoal.trainable.functions.process import Process
from shoal.trainable.functions.recipe import CallRecipe, log_of
from shoal.trainable.functions.reports import DIVERGED, PRUNED, Report
from shoal.trainable.functions.saving import committed, place_of
from shoal.trainable.halt import Halt
from shoal.trainable.lanes import COMPLETE, Fitted
from shoal.trainable.lanes import DIVERGED as DIVERGED_STATE
from shoal.trainable.lanes import PRUNED as PRUNED_STATE
from shoal.trainable.task import Outcome, Task

STATES = {"done": COMPLETE, DIVERGED: DIVERGED_STATE, PRUNED: PRUNED_STATE}
"""What becomes of a call that has ended well, by how it says that it has."""

LOOK_SECONDS = 0.1
"""How soon a call is told to stop, and the death of its process seen."""

DEATHS = 2
"""How many deaths without a new report in between are the call's own doing."""

OUT_OF_MEMORY = ": out of memory, or killed"

GROWTH, MIN_GROWTH = 1.2, 1 << 26
"""A process is renewed whose memory is so many times, and so many bytes more, what it was."""

MAX_LOG = 1 << 20
"""Bytes of a log; where it has twice as many once a call has ended, what is in the middle goes."""

MAX_RUNNING_LOG = 16 * MAX_LOG
"""Bytes of a log at which this is done while the call goes on."""

CUT = b"\n... (a part is left out here: a log has 1 MiB)\n"


@dataclass
class _Attempt:
    """What is heard of one attempt at a call."""

    reports: list[Report] = field(default_factory=list)
    before: float = 0.0
    end: dict[str, Any] | None = None
    death: str = ""
    stopped: bool = False
    late: bool = False


class Calls:
    """Runs packs of one lane each, as one call."""

    def __init__(self, recipe: CallRecipe) -> None:
        self._recipe = recipe
        self._process: Process | None = None

    def close(self) -> None:
        """Kill the process, and all that it has started."""
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def run(
        self, task: Task, stop: Callable[[], bool], halt: Halt, at_once: Callable[[], bool]
    ) -> Outcome:
        """Call the function or the program for the one lane of a pack."""
        trial, replicate = int(task.lanes.trial[0]), int(task.lanes.replicate[0])
        place = self._recipe.checkpoints / place_of(trial, replicate)
        log = self._recipe.logs / log_of(trial, replicate)
        asked = Asked(
            values={n: task.lanes.shape[n] for n in self._recipe.names if n in task.lanes.shape},
            seed=int(task.lanes.seed[0]),
            log=str(log),
            place=str(place) if "checkpoint" in self._recipe.asks else None,
            cutoffs=self._recipe.cutoffs(task.known, replicate),
        )
        began, clock = time.time(), time.perf_counter()
        most, deaths, notes = -1, 0, list[str]()
        try:
            log.parent.mkdir(exist_ok=True)
            while True:
                attempt = self._attempt(asked, stop, at_once)
                if not attempt.death or attempt.stopped or attempt.late:
                    break
                deaths = 1 if len(attempt.reports) > most else deaths + 1
                most = max(most, len(attempt.reports))
                if deaths >= DEATHS:
                    break
                notes.append(f"its process died ({attempt.death}); it is called again")
        except OSError as error:
            attempt = _Attempt(
                end={"broken": f"its process cannot be started: {error.strerror}", "details": ""}
            )
        told = self._told(attempt, deaths)
        until = time.monotonic() + self._recipe.patience
        while "fault" in told and time.monotonic() < until and not stop():
            time.sleep(LOOK_SECONDS)
        return Outcome(
            node=socket.gethostname(),
            device=self._device(),
            started=began - attempt.before,
            seconds=time.perf_counter() - clock,
            before=attempt.before,
            saved=committed(place) is not None,
            notes=tuple(notes),
            **told,
        )

    def _attempt(
        self, asked: Asked, stop: Callable[[], bool], at_once: Callable[[], bool]
    ) -> _Attempt:
        """Call once, and follow it to its end."""
        attempt, began = _Attempt(), time.monotonic()
        if self._process is None:
            self._process = Process(self._recipe, asked.log)
        process = self._process
        process.ask(asked)
        until = math.inf  # when a call that is told to end is killed
        looked = began
        try:
            while attempt.end is None:
                message = process.heard(LOOK_SECONDS)
                now = time.monotonic()
                if message is not None:
                    _hear(attempt, message)
                    if "told" in message:  # what was imported before is no part of the call
                        began = now
                if message is None or now - looked > LOOK_SECONDS:
                    looked = now
                    _cap(asked.log, MAX_RUNNING_LOG)
                    attempt.stopped = attempt.stopped or stop()
                    took = attempt.before + now - began
                    attempt.late = attempt.late or took > self._recipe.limits.timeout
                    if until == math.inf and (attempt.stopped or attempt.late):
                        process.stop()
                        until = now + self._recipe.grace
                    if at_once() or now > until:
                        break
        except (EOFError, OSError):
            attempt.death = process.died()
            self._process = None
        else:
            self._after(attempt, process)
        _cap(asked.log, 2 * MAX_LOG)  # nobody writes to it any more
        return attempt

    def _after(self, attempt: _Attempt, process: Process) -> None:
        """Keep the process for the next call, or end it."""
        end = attempt.end or {}
        memory = int(end.get("memory", 0))
        process.memory = process.memory or memory
        grown = memory > max(GROWTH * process.memory, process.memory + MIN_GROWTH)
        if "end" not in end or grown or self._recipe.limits.fresh:
            self.close()

    def _told(self, attempt: _Attempt, deaths: int) -> dict[str, Any]:
        """What an outcome has of the last attempt."""
        end = attempt.end or {}
        if end.get("end") in STATES and not attempt.late:
            return {"fitted": fitted(attempt.reports, end["end"], self._recipe)}
        if attempt.late:
            limit = f"{self._recipe.limits.timeout:g} s"
            return _failed(f"it took longer than the {limit} of --trial-timeout")
        if "broken" in end:
            return {"fitted": None, "fault": end["broken"], "control": True} | {
                "details": end["details"]
            }
        if attempt.stopped or end.get("end") == "stopped" or not (end or attempt.death):
            return {"fitted": None, "stopped": True}
        if end.get("end") == "failed":
            return _failed(end["error"], end["details"])
        how = f"{attempt.death}{OUT_OF_MEMORY if attempt.death == 'SIGKILL' else ''}"
        return _failed(
            f"its process died {deaths} times without a new report ({how}); the end of what it "
            "printed is in its log"
        )

    def _device(self) -> str:
        visible = self._recipe.visible
        if visible is None:
            visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        return f"cuda:{visible}" if self._recipe.gpus and visible else "cpu"


def _failed(error: str, details: str = "") -> dict[str, Any]:
    return {"fitted": None, "error": error, "details": details, "control": True}


def _hear(attempt: _Attempt, message: dict[str, Any]) -> None:
    """Take a message of the process."""
    if "told" in message:
        attempt.reports = [Report(step=step, values=values) for step, values in message["told"]]
        attempt.before = message["before"]
    elif "step" in message:
        attempt.reports.append(Report(step=message["step"], values=message["values"]))
    else:
        attempt.end = message


def _cap(log: str, most: int) -> None:
    """Cut a log that has more than `most` bytes: its beginning and its end stay. What is printed
    in the moment of the cut may be lost."""
    with suppress(OSError):
        if os.stat(log).st_size > most:
            with open(log, "r+b") as file:
                file.seek(-MAX_LOG // 2, os.SEEK_END)
                last = file.read()
                file.truncate(MAX_LOG // 2)
            with open(log, "ab") as file:
                file.write(CUT + last)


def fitted(reports: list[Report], how: str, recipe: CallRecipe) -> Fitted:
    """Return the reports of a call as what fitting one lane gave."""
    names, state = tuple(reports[0].values), STATES[how]
    rows = torch.tensor([[r.values[n] for n in names] for r in reports], dtype=torch.float64)
    steps = torch.tensor([report.step for report in reports])
    counts = recipe.aim.counts(reports) if state == COMPLETE else len(reports) - 1
    chosen = rows[counts : counts + 1]
    if state == DIVERGED_STATE:
        chosen = torch.full((1, len(names)), math.nan)
    return Fitted(
        loss=torch.zeros(1),
        metrics=chosen,
        best_step=steps[counts : counts + 1] if state == COMPLETE else torch.tensor([-1]),
        state=torch.tensor([state]),
        steps=steps[-1:],
        curve_lane=torch.zeros(len(reports), dtype=torch.int64),
        curve_step=steps,
        curve_loss=torch.zeros(len(reports)),
        curve_metrics=rows,
        names=names,
    )
