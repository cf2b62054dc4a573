"""The time of an update, measured: of a block of fits, and of one fit as torch does it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from shoal.search.programs import LANES, Case
from shoal.trainable.compiling import functions
from shoal.trainable.errors import CompileError
from shoal.trainable.fused import target_of
from shoal.trainable.halt import never
from shoal.trainable.programs import KERNEL, ONE_BY_ONE, PIECES, SEQUENTIAL

WARM_SECONDS, SECONDS = 0.2, 1.0
"""How long each runs before it is measured, and meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds of an update of one fit, of the time of one core, once it is warm.

    Attributes:
        seconds: among the others of its block.
        plain: of one fit alone, by torch's operations.
        share: of the core's peak: what kernels compute in that time, a multiply-add as one, or
            matrix products where fits run one after the other, over the multiply-adds that the
            core could do; None: there is nothing of it, or no such measure.
    """

    seconds: float
    plain: float
    share: float | None = None


def measured(case: Case, shape: Mapping[str, Any], kind: str, instructions: int = 0) -> Measured:
    """Measure the updates of a shape, each of the first ones of fits across the space.

    Args:
        kind: how it is run (`shoal.trainable.programs.settled`).
        instructions: of kernels, or of products, for each fit (`shoal.trainable.programs.Work`).
    """
    with _one_thread():
        one = replace(case, block=1)
        if kind in ONE_BY_ONE:
            seconds, dtype = _seconds(one, shape, kind)
            share = _share(instructions / seconds, dtype)
            return Measured(seconds=seconds, plain=seconds, share=share)
        seconds, dtype = _seconds(case, shape, kind)
        plain, _ = _seconds(one, shape, SEQUENTIAL)
        share = _share(instructions / seconds, dtype) if kind in (KERNEL, PIECES) else None
        return Measured(seconds=seconds, plain=plain, share=share)


def _share(a_second: float, dtype: torch.dtype) -> float | None:
    """The share of the core's peak that so many multiply-adds a second are."""
    peak = _peak(dtype) if a_second else None
    return None if peak is None else a_second / peak


def _peak(dtype: torch.dtype) -> float | None:
    """The multiply-adds of one core in a second, measured now; None: there is no such measure."""
    code = target_of("cpu").peak(dtype)
    if code is None:
        return None
    try:
        made = functions([code], None, never, private=True)
    except CompileError:
        return None
    return None if made is None else float(made[0][0]([])[0])


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run with one thread, as a worker does."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _seconds(case: Case, shape: Mapping[str, Any], kind: str) -> tuple[float, torch.dtype]:
    """The seconds of an update of a fit, and the type of its first parameter."""
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
        return updates(SECONDS) / case.block, params[0].dtype
