"""How many trials a round has, and how many fits a pack, where nobody says it.

Both follow from the number of the round's first trial: neither from how many trials there are in
the end, nor from what runs them. So a long search begins with the very trials of a short one.

    first trial             0 to 63    64 to 511   512 to 1023   1024 to 2047   ...
    trials of the round     16         32          64            128            ...

A sampler does the better, the more often it is asked; but one that is asked for a few trials at a
time from the beginning on may gather about a place that is not the best one, and a round of few
fits takes nearly as long as one of many (benchmarks/growth.py).
"""

from __future__ import annotations

import numpy
from numpy.typing import NDArray

EARLY, EARLY_TRIALS = 16, 64
"""So many trials have the first rounds, up to that trial."""

SHARE, MIN_ROUND = 8, 32
"""A later round has this share of the largest power of two that is not above its first trial's
number, and so many trials at the least."""

MIN_PACK, MAX_PACK = 64, 4096
"""Bounds of the fits of a pack: half of a round's."""


def trials_of_round(first: int) -> int:
    """Return how many trials the round has that begins with trial `first`."""
    return EARLY if first < EARLY_TRIALS else max(MIN_ROUND, power_of_two(first) // SHARE)


def fits_of_pack(fits: int) -> int:
    """Return how many fits a pack has, of a round of so many."""
    return min(fits, MAX_PACK, max(MIN_PACK, power_of_two(fits // 2)))


def starts_of(first: int, stop: int, size: int | None) -> NDArray[numpy.int64]:
    """Return the first trials of the rounds from `first` on, until one ends at `stop` or later; and
    as the last element, where that one ends.

    Args:
        size: trials of each round; None: by the number of the first one.
    """
    if size is not None:
        count = -(-(stop - first) // size)
        return first + size * numpy.arange(count + 1, dtype=numpy.int64)
    starts = [first]
    while starts[-1] < stop:
        own = trials_of_round(starts[-1])
        starts.append((starts[-1] // own + 1) * own)  # rounds begin at multiples of their size
    return numpy.array(starts, dtype=numpy.int64)


def power_of_two(number: int) -> int:
    """The largest power of two that is not above `number` (0 for 0)."""
    return 1 << (number.bit_length() - 1) if number > 0 else 0
