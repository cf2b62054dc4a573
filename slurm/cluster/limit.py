"""When the job's time limit ends it, which may be moved while it runs (``scontrol update``)."""

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

SHORTEST_SECONDS, LONGEST_SECONDS = 20.0, 300.0
"""How often SLURM is asked for the limit: once a job, by its batch host."""

SHARE = 20
"""It is asked so often within what is left."""


def environment(folder: Path, ends: float | None) -> dict[str, str]:
    """Return what a command on the cluster is told of the limit.

    Args:
        folder: of the job; its file ``limit`` says what the limit is now.
        ends: seconds since 1970; None: never.
    """
    told = {} if ends is None else {wire.END_VARIABLE: f"{ends:.0f}"}
    return {**told, wire.END_FILE_VARIABLE: str(folder / wire.LIMIT_FILE)}


def without(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the limit of the job that this one was begun from."""
    ours = (wire.END_VARIABLE, wire.END_FILE_VARIABLE)
    return {name: value for name, value in inherited.items() if name not in ours}


def pause(left: float | None) -> float:
    """How long until SLURM is asked again, in seconds: seldom while the end is far away.

    Args:
        left: seconds until the end, or None.
    """
    if left is None:
        return LONGEST_SECONDS
    return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, left / SHARE))


class Limit:
    """Watches the limit of one job, and tells it in the job folder."""

    def __init__(self, allocation: Allocation, folder: JobFolder) -> None:
        self._job, self._folder, self._ends = allocation.job, folder, allocation.ends
        self._tell()
        self._again = time.monotonic() + self._pause()

    def look(self) -> None:
        """Ask SLURM, if it is time to, and tell where the limit was moved."""
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
        return pause(None if self._ends is None else self._ends - time.time())

    def _tell(self) -> None:
        with suppress(OSError):
            text = "inf" if self._ends is None else f"{self._ends:.0f}"
            self._folder.write(wire.LIMIT_FILE, f"{text}\n")
