"""The engine without Ray: packs in threads of the driver's own process.

A compiled program lets the other threads of Python run while it fits, so that threads do what
processes do, without the seconds that these take to start.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

import torch

from search.desk import Desk
from search.packs import Pack
from trainable.halt import Halt
from trainable.worker import Outcome, Worker

WAIT_SECONDS = 0.2

IDLE_SECONDS = 0.01
"""How soon an idle worker sees that there is a pack for it."""

Flight = dict["Future[Outcome]", tuple[Pack, Worker, float]]
"""Packs that are being run, by whom and since when."""


def run_inline(desk: Desk, workers: int) -> None:
    """Run the packs of `desk` here until every lane is told, or told to stop."""
    abandoned, halt = threading.Event(), Halt()
    idle = [Worker(desk.recipe) for _ in range(workers)]
    flight: Flight = {}

    def stop() -> bool:
        return desk.stopped() or abandoned.is_set()

    def give_out(pool: ThreadPoolExecutor, patience: float) -> None:
        while idle and not stop() and (pack := desk.rounds.take(patience)) is not None:
            worker, task = idle.pop(), desk.task(pack)
            flight[pool.submit(worker.run, task, stop, halt)] = pack, worker, time.monotonic()

    with _torch_threads_kept(), ThreadPoolExecutor(workers, "pack") as pool:
        ticked = -math.inf
        try:
            while flight or not desk.rounds.over:
                if stop():
                    halt.set()
                if time.monotonic() - ticked >= WAIT_SECONDS or not flight:
                    desk.tick(workers)  # which looks at files: not as often as for idle workers
                    ticked = time.monotonic()
                give_out(pool, patience=0.0 if flight else WAIT_SECONDS)
                done, _ = wait(flight, IDLE_SECONDS if idle else WAIT_SECONDS, FIRST_COMPLETED)
                ended = [(future.result(), *flight.pop(future)) for future in done]
                now = time.monotonic()
                idle += [worker for _, _, worker, _ in ended]
                give_out(pool, patience=0.0)  # before what may take a moment
                for outcome, pack, _, since in sorted(ended, key=_at_fault):  # rows first
                    desk.given(pack, outcome, now - since)
        finally:
            abandoned.set()
            halt.set()


def _at_fault(ended: tuple[Outcome, Pack, Worker, float]) -> bool:
    """Whether a pack came back since it cannot be run, which may end the search."""
    return ended[0].fault is not None


@contextmanager
def _torch_threads_kept() -> Iterator[None]:
    """Leave torch at the end as many threads as it had: each worker leaves it one."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
