"""Detects a network partition: the batch host reaches neither another node nor SLURM.

Then the next life may have begun elsewhere, and two must not write one run folder.
"""

from __future__ import annotations

import time

from shoal.slurm.errors import SlurmError
from shoal.slurm.queue import commands

CUT_SECONDS = 20.0
"""How long the batch host may reach neither another node nor SLURM before it gives up."""


class Isolation:
    """Watches the connections of one job's batch host.

    Args:
        nodes: of the job.
    """

    def __init__(self, job: str, nodes: int) -> None:
        self._job, self._nodes = job, nodes
        self._alone_since: float | None = None
        self._asked = 0.0

    def complete(self, counted: int) -> bool:
        """Whether all other nodes are lost and SLURM does not answer.

        Args:
            counted: how many nodes Ray counts now.
        """
        if self._nodes == 1 or counted != 1:
            self._alone_since = None
            return False
        now = time.monotonic()
        if self._alone_since is None:
            self._alone_since = now
        if now - self._alone_since < CUT_SECONDS or now - self._asked < CUT_SECONDS:
            return False
        self._asked = now
        try:
            commands.show_job(self._job)
        except SlurmError:
            return True
        return False
