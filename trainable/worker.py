"""A worker: runs packs one after the other, each by the runner of its problem's kind.

What goes wrong in a pack comes back as data: an exception would cost a Ray worker its process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shoal.trainable.halt import Halt, never
from shoal.trainable.runners import runner_of
from shoal.trainable.task import Outcome, Recipe, Task


class Worker:
    """Runs packs of one search."""

    def __init__(self, recipe: Recipe) -> None:
        self._runner = runner_of(recipe)
        self._packs = 0

    def run(
        self,
        task: Task,
        stop: Callable[[], bool] = never,
        halt: Halt | None = None,
        at_once: Callable[[], bool] = never,
    ) -> Outcome:
        """Run one pack; errors of the problem come back as data.

        Args:
            stop: asked again and again; where it says so, the pack is saved and given back.
            halt: once `stop` says so, it has the update given up that takes long.
            at_once: as `stop`, without waiting for anything.
        """
        self._packs += 1
        outcome = self._runner.run(task, stop, halt or Halt(), at_once)
        return replace(outcome, first=self._packs == 1)

    def close(self) -> None:
        """End whatever the packs have started."""
        self._runner.close()
