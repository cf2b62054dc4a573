"""The Ray Tune trainable of one pack; the one module of this package that knows Ray."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import ray
from ray import tune
from ray.experimental.internal_kv import _internal_kv_exists, _internal_kv_put

from shoal.trainable.halt import Halt
from shoal.trainable.worker import Worker

IDLE = -1
"""The pack id of a worker that waits for its next pack."""


BELL_SECONDS = 0.5
"""Interval at which a worker polls for a stop."""

NAMESPACE = b"shoal"


def ring(search: str) -> None:
    """Ask all workers of a search to save the packs that they run and to return them."""
    _internal_kv_put(search.encode(), b"stop", overwrite=True, namespace=NAMESPACE)


class Bell:
    """Polls in a worker for the stop that `ring` sets in the driver.

    Ray Tune has no way to reach a trainable in mid-step: what it sends waits until the step is
    over. So each worker asks Ray's store of small values, in a thread of its own.
    """

    def __init__(self, search: str) -> None:
        self._key = search.encode()
        self._rung = threading.Event()
        self.rung = self._rung.is_set
        self.halt = Halt()
        threading.Thread(target=self._listen, name="bell", daemon=True).start()

    def _listen(self) -> None:
        while not self._rung.is_set():
            with suppress(Exception):  # the head may be out of reach for a while
                if _internal_kv_exists(self._key, namespace=NAMESPACE):
                    self._rung.set()
                    self.halt.set()
            time.sleep(BELL_SECONDS)


class PackTrainable(tune.Trainable):
    """Ray Tune trainable of one pack: ``config`` has its id and task, and a reference to the
    recipe."""

    _worker: Worker | None = None
    _bell: Bell | None = None

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
        if self._worker is None or self._bell is None:
            self._worker = Worker(ray.get(self._task["recipe"]))
            self._bell = Bell(self._task["search"])
        outcome = self._worker.run(self._task["task"], self._bell.rung, self._bell.halt)
        return {"done": True, "outcome": outcome}

    def cleanup(self) -> None:
        """End what packs have started."""
        if self._worker is not None:
            self._worker.close()
