"""The engine without Ray: packs one after the other in the driver's own process."""

from __future__ import annotations

import time
from collections.abc import Callable

from search.packs import Pack
from search.rounds import Rounds
from trainable.worker import Outcome, Recipe, Worker

WAIT_SECONDS = 0.2


def run_inline(
    rounds: Rounds,
    recipe: Recipe,
    *,
    take: Callable[[], None],
    given: Callable[[Pack, Outcome | None, float], None],
    tick: Callable[[int], None],
) -> None:
    """Run the packs of `rounds` here until every lane is told."""
    worker = Worker(recipe)
    while not rounds.whole:
        tick(1)
        pack = rounds.take(timeout=WAIT_SECONDS)
        if pack is None:
            continue
        take()
        since = time.monotonic()
        outcome = worker.run(pack.lanes)
        given(pack, outcome, time.monotonic() - since)
