"""The global generators of random numbers, of torch, numpy and Python: they belong to the process.

Fits run in several threads of one process. So code that may seed these generators, or draw from
them (an import, a constructor, ``initial``, ``module``, ``data``, ``noise``, …), runs in one thread
at a time, and nobody puts their states back meanwhile: it runs `alone`. A thread takes `alone`
before its turn to stand in a working folder (`trainable.process.standing`), and never within one,
so that no two wait for each other. (Torch is not loaded for `alone`: a process that calls a
function may do without.)

    alone           held by the thread that may use the generators
    seeded(seed)    alone, with generators that begin with a seed; as they were afterwards
    kept()          any number of threads; as they were afterwards
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

alone = threading.RLock()
"""Held by the thread that may use the global generators."""

PATIENCE_SECONDS = 1.0
"""How long a search that ends waits for another thread's call, to put states back."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run alone, with all global generators seeded; restore their states afterwards."""
    import torch

    from shoal.trainable.process.switches import numpy

    with alone:
        restore = _states()
        torch.manual_seed(seed)
        random.seed(seed)
        if numpy:
            numpy.random.seed(seed % 2**32)  # it takes no larger ones
        try:
            yield
        finally:
            restore()


@contextmanager
def kept() -> Iterator[None]:
    """Restore the states of the global generators afterwards; others may use them meanwhile.

    A thread that runs alone, for the code of a problem that starts a search, lets others in. Where
    another one does not let go of them within `PATIENCE_SECONDS`, they stay as they are: it is in a
    call that a search has given up (Ctrl-C twice), or that of another search, and would draw other
    numbers.
    """
    with _lent():
        with alone:
            restore = _states()
        try:
            yield
        finally:
            if alone.acquire(timeout=PATIENCE_SECONDS):
                try:
                    restore()
                finally:
                    alone.release()


@contextmanager
def _lent() -> Iterator[None]:
    """Let other threads use the generators, if this one has them alone; take them back at last."""
    times = 0
    while _released():
        times += 1
    try:
        yield
    finally:
        for _ in range(times):
            alone.acquire()


def _released() -> bool:
    try:
        alone.release()
    except RuntimeError:  # this thread does not have it
        return False
    return True


def _states() -> Callable[[], None]:
    """Return a function that restores the present states."""
    import torch

    from shoal.trainable.process.switches import numpy

    plain, tensors = random.getstate(), torch.get_rng_state()
    arrays = numpy.random.get_state() if numpy else None
    started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # torch has no types there
    devices = torch.cuda.get_rng_state_all() if started else None

    def restore() -> None:
        random.setstate(plain)
        torch.set_rng_state(tensors)
        if numpy:
            numpy.random.set_state(arrays)
        if devices is not None:
            torch.cuda.set_rng_state_all(devices)

    return restore
