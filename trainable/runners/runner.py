"""The interface of a runner: it turns the lanes of a pack into what came of them.

A runner is made from what all packs of a search have in common, and belongs to one worker, which
gives it one pack at a time. What goes wrong in a pack is data of its outcome; told to stop, it
gives the pack back unfinished, and saved where that is possible.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from shoal.trainable.halt import Halt
from shoal.trainable.task import Outcome, Task


class Runner(Protocol):
    """Runs packs of one kind of problem."""

    def run(
        self, task: Task, stop: Callable[[], bool], halt: Halt, at_once: Callable[[], bool]
    ) -> Outcome:
        """Run one pack; errors of the problem come back as data.

        Args:
            stop: asked again and again; where it says so, the pack is saved and given back.
            halt: once `stop` says so, it has machine code given up that takes long.
            at_once: as `stop`, without waiting for anything.
        """

    def close(self) -> None:
        """End whatever the runner has started."""
