"""The signals that reach a batch step, kept until somebody looks."""

from __future__ import annotations

import signal
import time


class Signals:
    """Takes signals from its making on: SLURM's may come before the cluster is begun."""

    def __init__(self) -> None:
        self.stop: int | None = None
        """The signal that asked the job to end, or None: its user's, or SLURM's last word."""
        self.save_at: float | None = None
        """When SIGUSR1 came: the time limit is near, or another job wants the nodes; or None."""
        for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(sign, self._take)

    def _take(self, number: int, frame: object) -> None:
        if number == signal.SIGUSR1:
            self.save_at = self.save_at or time.time()
        else:
            self.stop = number
