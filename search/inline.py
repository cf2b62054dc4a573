"""The engine without Ray: packs one after the other in the driver's own process."""

from __future__ import annotations

import time

from search.desk import Desk
from trainable.worker import Worker

WAIT_SECONDS = 0.2


def run_inline(desk: Desk) -> None:
    """Run the packs of `desk` here until every lane is told, or told to stop."""
    worker = Worker(desk.recipe)
    while not desk.rounds.over:
        desk.tick(1)
        pack = desk.rounds.take(timeout=WAIT_SECONDS)
        if pack is None:
            continue
        task = desk.task(pack)
        since = time.monotonic()
        outcome = worker.run(task, desk.stopped)
        desk.given(pack, outcome, time.monotonic() - since)
