"""The Ray Tune trainable of one pack; the one module of this package that knows Ray."""

from __future__ import annotations

import time
from typing import Any

import ray
from ray import tune

from trainable.worker import Worker

IDLE = -1
"""The pack id of a worker that waits for its next pack."""


class Pack(tune.Trainable):
    """Runs one pack: ``config`` has its id, and references to its lanes and to the recipe."""

    _worker: Worker | None = None

    def setup(self, config: dict[str, Any]) -> None:
        self._task = config

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._task = new_config
        return True

    def step(self) -> dict[str, Any]:
        """Run the pack, or wait a moment where there is none."""
        if self._task["pack"] == IDLE:
            time.sleep(self._task["seconds"])
            return {"done": False}
        if self._worker is None:
            self._worker = Worker(ray.get(self._task["recipe"]))
        return {"done": True, "outcome": self._worker.run(ray.get(self._task["lanes"]))}
