"""Who holds a lock: what a writer records of itself, and whether it is still alive."""

from __future__ import annotations

import json
import os
from typing import Any

from shoal.search.process import processes


def identity() -> dict[str, Any]:
    """Return what this process records of itself, in plain values."""
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
    """A writer, as it has recorded itself; the record may contain anything.

    Attributes:
        name: for the user.
    """

    def __init__(self, text: bytes | None) -> None:
        """Read a record; None: it cannot be read."""
        try:
            said = None if text is None else json.loads(text)
        except (ValueError, RecursionError):
            said = None
        self._said: dict[str, Any] = said if isinstance(said, dict) else {}
        self.name = "another process"
        if isinstance(self._said.get("process"), int):
            self.name = f"process {self._said['process']} on {self._said.get('host')}"

    def is_dead(self) -> bool:
        """Whether it is known to be dead: SLURM has restarted its job, or its process is gone from
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
        """Whether it belongs to a later start of this process's own job."""
        lives = self._lives()
        return lives is not None and lives[0] > lives[1]

    def _lives(self) -> tuple[int, int] | None:
        """Return how often its job and ours were restarted, if both are the same job."""
        mine, life = identity(), self._said.get("life")
        if mine["job"] is None or self._said.get("job") != mine["job"] or not isinstance(life, int):
            return None
        return life, mine["life"]
