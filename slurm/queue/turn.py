"""A lock on the shared disk, so that only one of a job's processes at a time asks SLURM.

A large job has hundreds of agents, and all of them notice in the same second that the batch host is
lost. A turn is a file that only one can make (O_EXCL, which is atomic on NFS too); who dies in its
turn loses it after a while, and what a turn was for is done once a life.
"""

from __future__ import annotations

import os
import random
import time
from contextlib import suppress

from shoal.slurm import wire
from shoal.slurm.jobfolder import JobFolder

LOOKS_PER_SECOND = 10
"""Rate at which all nodes of a job together poll the shared disk."""


def pause_seconds(nodes: int, min_seconds: float) -> float:
    """Return a poll interval with jitter, which grows with the number of nodes.

    Args:
        min_seconds: for jobs of few nodes.
    """
    return max(min_seconds, nodes / LOOKS_PER_SECOND) * random.uniform(1.0, 1.5)


class Turn:
    """A lock, with a timeout, on something to be done once in a start of a job.

    Args:
        what: names it.
        patience_seconds: after which a turn is taken from who has not done it.
        nodes: how many may wait for it.
    """

    def __init__(self, folder: JobFolder, what: str, patience_seconds: float, nodes: int) -> None:
        self._folder, self._patience_seconds, self._nodes = folder, patience_seconds, nodes
        self._name = wire.turn(what, folder.life)

    @property
    def done(self) -> bool:
        """Whether it is done in this start of the job, or a later one has begun."""
        return (self._folder.path / f"{self._name}-done").exists() or self._folder.superseded()

    def take(self) -> bool:
        """Take the lock if it is free and the thing is not done yet; return whether it was
        taken."""
        if self.done:
            return False
        try:
            names = os.listdir(self._folder.path)
        except OSError:
            return False
        ours = [name.rpartition("-") for name in names]
        last = max((int(n) for of, _, n in ours if of == self._name and n.isdigit()), default=0)
        if last:
            age = self._folder.age_seconds(f"{self._name}-{last}")
            if age is not None and age < self._patience_seconds:
                return False
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            os.close(os.open(self._folder.path / f"{self._name}-{last + 1}", flags, 0o600))
        except OSError:  # another was quicker, or the disk takes nothing
            return False
        return not self.done

    def wait(self) -> bool:
        """Wait for the lock; return True if it was taken, False if the thing is done."""
        while not self.take():
            if self.done:
                return False
            time.sleep(pause_seconds(self._nodes, 0.2))
        return True

    def finish(self) -> None:
        """Record that the thing is done."""
        with suppress(OSError):
            (self._folder.path / f"{self._name}-done").touch()
