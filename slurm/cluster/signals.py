"""Signal handlers of a batch step: signals are recorded, and polled."""

from __future__ import annotations

import signal
import time

NEAR_SECONDS = 600.0
"""A SIGUSR1 at most so long before the time limit is taken for SLURM's warning of it."""


class Signals:
    """Records signals from its construction on: SLURM's may come before the cluster is begun."""

    def __init__(self) -> None:
        self.stop: int | None = None
        """The signal that asked the job to end, or None: its user's, or SLURM's last word."""
        self.save_at: float | None = None
        """When SIGUSR1 came: the time limit is near, another job wants the nodes, or its user wants
        it to save; or None."""
        for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(sign, self._take)

    def _take(self, number: int, frame: object) -> None:
        if number == signal.SIGUSR1:
            self.save_at = self.save_at or time.time()
        else:
            self.stop = number

    def cause(self, ends: float | None, preempted: bool) -> str:
        """Return why a life ends that was to save: SIGUSR1 itself does not say.

        Args:
            ends: when the time limit ends the job, in seconds since 1970; None: never.
            preempted: whether SLURM takes its nodes for another job.
        """
        if preempted:
            return "preempted"
        if self.save_at is None or (ends is not None and ends - self.save_at <= NEAR_SECONDS):
            return "time limit"
        return "SIGUSR1"
