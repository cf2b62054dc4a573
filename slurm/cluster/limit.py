"""The job's time limit, which may be changed while it runs (``scontrol update``)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from shoal.slurm import wire
from shoal.slurm.cluster.news import say
from shoal.slurm.errors import SlurmError
from shoal.slurm.jobfolder import JobFolder
from shoal.slurm.queue import Allocation, commands, parse

MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 20.0, 300.0
"""Bounds of the interval at which SLURM is asked for the limit, by the batch host alone."""

SHARE = 20
"""Number of polls within the time that is left, where the bounds allow it."""


def environment(folder: Path, ends: float | None) -> dict[str, str]:
    """Return the variables that tell a command on the cluster of the limit.

    Args:
        folder: of the job; its file ``limit`` says what the limit is now.
        ends: seconds since 1970; None: never.
    """
    told = {} if ends is None else {wire.END_VARIABLE: f"{ends:.0f}"}
    return {**told, wire.END_FILE_VARIABLE: str(folder / wire.LIMIT_FILE)}


def without(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the time limit of the job from which this one was submitted."""
    ours = (wire.END_VARIABLE, wire.END_FILE_VARIABLE)
    return {name: value for name, value in inherited.items() if name not in ours}


def pause_seconds(left_seconds: float | None) -> float:
    """Return the interval until SLURM is asked again, proportional to the time that is left.

    Args:
        left_seconds: until the end; None: there is none.
    """
    if left_seconds is None:
        return MAX_PAUSE_SECONDS
    return min(MAX_PAUSE_SECONDS, max(MIN_PAUSE_SECONDS, left_seconds / SHARE))


class Limit:
    """Polls the limit of one job, and publishes it in the job folder."""

    def __init__(self, allocation: Allocation, folder: JobFolder) -> None:
        self._job, self._folder, self._ends = allocation.job, folder, allocation.ends
        self._tell()
        self._again = time.monotonic() + self._pause()

    def look(self) -> None:
        """Ask SLURM, if the interval is over, and publish a limit that was changed."""
        if time.monotonic() < self._again:
            return
        self.ask()

    def ask(self) -> None:
        """Ask SLURM now."""
        with suppress(SlurmError):  # a busy controller is asked again later
            word = parse(commands.show_job(self._job))
            if word.state == "RUNNING" and word.ends != self._ends:
                self._ends = word.ends
                self._tell()
                at = (
                    ""
                    if self._ends is None
                    else time.strftime(" to %Y-%m-%d %H:%M:%S", time.localtime(self._ends))
                )
                say(f"the time limit was moved{at or ': there is none now'}")
        self._again = time.monotonic() + self._pause()

    def _pause(self) -> float:
        return pause_seconds(None if self._ends is None else self._ends - time.time())

    def _tell(self) -> None:
        with suppress(OSError):
            text = "inf" if self._ends is None else f"{self._ends:.0f}"
            self._folder.write(wire.LIMIT_FILE, f"{text}\n")
