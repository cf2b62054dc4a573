"""The engine ``ray``: packs run as trials of Ray Tune, on a Ray of our own or a running one."""

from __future__ import annotations

from typing import ClassVar

import torch

from shoal.search.engines import EngineCallbacks, RunOptions, left_behind
from shoal.search.engines.ray_tune.cluster import check_address, connected
from shoal.search.machine import cores


class RayTune:
    """The engine ``ray``."""

    name: ClassVar[str] = "ray"
    label: ClassVar[str] = "Ray Tune"

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._workers, self._address = options.workers, options.ray_address

    def check(self) -> None:
        """Check that a Ray answers at the address, if one was given.

        Raises:
            BadInput: none does.
        """
        if self._address is not None:
            check_address(self._address)

    def run(self, driver: EngineCallbacks) -> None:
        """Run the driver's packs as trials of Ray Tune.

        Raises:
            EngineError: Ray went away.
        """
        left_behind(*driver.notes)  # Ray's workers may die, and this process goes on
        address = self._address
        gpus = torch.cuda.device_count() if address is None else 0
        called = driver.request.called
        workers = self._options.threads(driver.request) if called else 0
        workers = workers or self._workers or gpus or cores()
        cpus = max(workers * driver.request.cpus, 1)
        with connected(address, cpus, gpus, meanwhile=_load_tune) as cluster:
            driver.listen()  # Ray has set a handler of its own
            from shoal.search.engines.ray_tune.tuning import run_on_ray

            if address is not None:
                gpu = not called and cluster.slots({"gpu": 1.0}) > 0
                driver.use_cluster(gpu, lambda: cluster.hosts(driver.recipe.resources))
            limit = self._workers if address is not None else workers
            driver.warn_idle(min(cluster.slots(driver.recipe.resources), limit or 1 << 30))
            run_on_ray(driver, cluster, workers=limit)


def _load_tune() -> None:
    """Import Ray Tune, which takes most of a second, while Ray starts."""
    from shoal.search.engines.ray_tune import tuning  # noqa: F401  # for what it imports
