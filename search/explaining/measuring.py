"""The time of an update, measured: of a block of fits, and of one fit as torch does it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from shoal.search.programs import LANES, Case
from shoal.trainable.programs import EAGER, SINGLE

WARM_SECONDS, SECONDS = 0.2, 1.0
"""How long each runs before it is measured, and meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds of an update of one fit, of the time of one core, once it is warm.

    Attributes:
        seconds: among the others of its block.
        plain: of one fit alone, by torch's operations as they are called.
    """

    seconds: float
    plain: float


def measured(case: Case, shape: Mapping[str, Any], kind: str) -> Measured:
    """Measure the updates of a shape, each of the first ones of fits across the space.

    Args:
        kind: how it is run (`shoal.trainable.programs.settled`).
    """
    with _one_thread():
        return _measured(case, shape, kind)


def _measured(case: Case, shape: Mapping[str, Any], kind: str) -> Measured:
    seconds = _seconds(case, shape, kind)
    alone = kind in (SINGLE, EAGER) and case.block == 1
    plain = seconds if alone else _seconds(replace(case, block=1, unroll=1), shape, EAGER)
    return Measured(seconds=seconds, plain=plain)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run with one thread, as a worker does."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _seconds(case: Case, shape: Mapping[str, Any], kind: str) -> float:
    with torch.no_grad():
        program = case.program(shape, kind)
        lanes, which = case.lanes(shape), torch.arange(case.block) % LANES
        params, state = program.initial(lanes, which)
        values = program.values(lanes, which)
        program.prepare(params, state, values)

        def updates(least: float) -> float:
            """Do updates for so many seconds, and return what each took."""
            began, done = time.thread_time(), 0
            while (spent := time.thread_time() - began) < least or not done:
                taken = program.taken(case.seed, done % case.steps, program.unroll)
                program.chunk(params, state, values, taken)
                done += program.unroll if taken is None else len(taken.updates)
            return spent / done

        updates(WARM_SECONDS)
        return updates(SECONDS) / case.block
