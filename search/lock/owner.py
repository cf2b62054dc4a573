"""Whose lock it is: what a writer says of itself, and what that tells of whether it lives."""

from __future__ import annotations

import json
import os
from typing import Any

from shoal.search.process import processes


def identity() -> dict[str, Any]:
    """Return what this process says of itself, in plain values."""
    life = os.environ.get("SLURM_RESTART_COUNT", "")
    return {
        "process": os.getpid(),
        "host": os.uname().nodename,
        "machine": processes.machine(),
        "since": processes.began(os.getpid()),
        "job": os.environ.get("SLURM_JOB_ID"),
        "life": int(life) if life.isdecimal() else 0,
    }


class Owner:
    """A writer, by what it has said of itself: anything may stand there.

    Attributes:
        name: for the user.
    """

    def __init__(self, text: bytes | None) -> None:
        """Read what it has said; None: that cannot be read."""
        try:
            said = None if text is None else json.loads(text)
        except (ValueError, RecursionError):
            said = None
        self._said: dict[str, Any] = said if isinstance(said, dict) else {}
        self.name = "another process"
        if isinstance(self._said.get("process"), int):
            self.name = f"process {self._said['process']} on {self._said.get('host')}"

    def is_dead(self) -> bool:
        """Whether it is known to be: SLURM has started its job again, or its process is gone from
        this machine."""
        lives = self._lives()
        if lives is not None and lives[0] < lives[1]:
            return True
        machine, process = self._said.get("machine"), self._said.get("process")
        if machine is None or machine != processes.machine() or not isinstance(process, int):
            return False
        began = processes.began(process)
        return began is None or began != self._said.get("since")

    def is_later(self) -> bool:
        """Whether it is a later life of this process's own job."""
        lives = self._lives()
        return lives is not None and lives[0] > lives[1]

    def _lives(self) -> tuple[int, int] | None:
        """Its life and ours, where both are of one job."""
        mine, life = identity(), self._said.get("life")
        if mine["job"] is None or self._said.get("job") != mine["job"] or not isinstance(life, int):
            return None
        return life, mine["life"]
