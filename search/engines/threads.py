"""The engine without Ray: packs in threads of the driver's own process.

A compiled program lets the other threads of Python run while it fits, so that threads do what
processes do, without the seconds that these take to start. What each slot has in hand is noted, for
the case that native code ends this process; a pack that may do so has a process to itself.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import ClassVar

import torch

from shoal.search.engines.alone import Alone, Death
from shoal.search.engines.engine import EngineCallbacks, Trust
from shoal.search.engines.inhand import InHand, left_behind
from shoal.search.engines.options import RunOptions
from shoal.search.rounds import Pack
from shoal.trainable.halt import Halt
from shoal.trainable.task import Outcome, Task
from shoal.trainable.worker import Worker

WAIT_SECONDS = 0.2

IDLE_SECONDS = 0.01
"""How soon an idle worker sees that there is a pack for it."""

Flight = dict["Future[Outcome | Death]", tuple[Pack, int, float]]
"""Packs that are being run, in which slot and since when."""

Ended = tuple["Outcome | Death", Pack, int, float]


class Threads:
    """The engine ``inline``."""

    name: ClassVar[str] = "inline"
    label: ClassVar[str] = "threads"

    def __init__(self, options: RunOptions) -> None:
        self._options = options

    def check(self) -> None:
        """Nothing is needed."""

    def run(self, driver: EngineCallbacks) -> None:
        """Run the driver's packs in threads, as many as the options say."""
        workers = self._options.threads(driver.request)
        if self._options.workers is not None or driver.request.called:
            driver.warn_idle(workers)
        folder, number = driver.notes
        driver.suspect(left_behind(folder, number))
        with InHand(folder, number, workers, driver.suspects) as in_hand:
            run_inline(driver, workers, self._options.patient, in_hand.note)


def run_inline(
    driver: EngineCallbacks,
    workers: int,
    patient: bool = True,
    note: Callable[[int, str], None] = lambda slot, pack: None,
) -> None:
    """Run the packs of `driver` here until every fit has ended, or it is told to stop.

    Args:
        patient: whether a KeyboardInterrupt waits for calls of the problem that run.
        note: told which slot has which pack in hand now, or none (empty).
    """
    abandoned, halt = threading.Event(), Halt()
    processes = [Alone(driver.recipe) for _ in range(workers)]
    gpus = torch.cuda.device_count()
    slots = [Worker(driver.recipe.of_slot(slot, gpus)) for slot in range(workers)]
    idle = list(range(workers))
    flight: Flight = {}

    def stop() -> bool:
        return driver.stopped() or abandoned.is_set()

    def run(slot: int, task: Task, trust: Trust) -> Outcome | Death:
        if trust is Trust.FULL:
            processes[slot].close()
            return slots[slot].run(task, stop, halt, abandoned.is_set)
        fresh = trust is Trust.NONE
        return processes[slot].run(task, stop, abandoned.is_set, fresh=fresh)

    def give_out(pool: ThreadPoolExecutor, patience: float) -> None:
        while idle and not stop() and (pack := driver.rounds.take(patience)) is not None:
            slot, task = idle.pop(), driver.task(pack)
            note(slot, pack.name)
            future = pool.submit(run, slot, task, driver.trust(pack))
            flight[future] = pack, slot, time.monotonic()

    with (
        _ended(processes),
        _ended(slots),
        _torch_threads_kept(),
        _threads(workers, patient) as pool,
    ):
        ticked = -math.inf
        try:
            while flight or not driver.rounds.over:
                if stop():
                    halt.set()
                if time.monotonic() - ticked >= WAIT_SECONDS or not flight:
                    driver.tick(workers)  # which looks at files: not as often as for idle workers
                    ticked = time.monotonic()
                give_out(pool, patience=0.0 if flight else WAIT_SECONDS)
                done, _ = wait(flight, IDLE_SECONDS if idle else WAIT_SECONDS, FIRST_COMPLETED)
                ended = [(future.result(), *flight.pop(future)) for future in done]
                now = time.monotonic()
                idle += [slot for _, _, slot, _ in ended]
                give_out(pool, patience=0.0)  # before what may take a moment
                for slot in idle:
                    note(slot, "")
                for outcome, pack, _, since in sorted(ended, key=_rows_first):
                    if isinstance(outcome, Death):
                        driver.fell(pack, now - since, outcome)
                    else:
                        driver.given(pack, outcome, now - since)
        finally:
            abandoned.set()
            halt.set()


def _rows_first(ended: Ended) -> bool:
    """Whether a pack came back without rows, which may end the search."""
    outcome = ended[0]
    return isinstance(outcome, Death) or outcome.fitted is None


@contextmanager
def _threads(workers: int, patient: bool) -> Iterator[ThreadPoolExecutor]:
    """Yield the pool of threads that run packs; at the end wait for them, on Ctrl-C only if
    `patient`."""
    pool, wait = ThreadPoolExecutor(workers, "pack"), True
    try:
        yield pool
    except KeyboardInterrupt:
        wait = patient
        raise
    finally:
        pool.shutdown(wait)


@contextmanager
def _ended(started: Sequence[Alone | Worker]) -> Iterator[None]:
    """Kill the child processes at the end."""
    try:
        yield
    finally:
        for one in started:
            one.close()


@contextmanager
def _torch_threads_kept() -> Iterator[None]:
    """Restore torch's number of threads at the end; each worker sets it to one."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
