"""How many trials a round has, where nobody says it; what rounds mean for workers; and sizes that
are larger than the search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shoal.search.request.request import Request
from shoal.trainable.programs import SINGLE

ROUNDS, FINE_ROUNDS = 16, 32
"""Rounds of a search, where the number of trials allows it. A sampler does the better, the more
there are."""

MIN_FITS, MIN_FINE_FITS = 16, 4
"""Lanes of a round. A step of few lanes takes as long as one of many, unless it is fused."""

MAX_FINE_FITS = 64
"""Fine rounds have so many at most: in larger searches they would take longer than their fits."""


def lanes_of_a_round(trials: int, fused: bool) -> int:
    """Return how many trials are drawn at once.

    Args:
        fused: whether fits run in a kernel, which takes few lanes as cheaply as many.
    """
    usual = -(-trials // ROUNDS)
    if not fused:
        return max(MIN_FITS, usual)
    fine = -(-trials // FINE_ROUNDS)
    return max(MIN_FINE_FITS, fine if fine <= MAX_FINE_FITS else usual)


def in_flight(request: Request) -> int:
    """Return how many packs two rounds have: no more run at once."""
    lanes = min(2 * request.round * request.fits, request.lanes)
    return -(-lanes // request.pack)


def as_resolved(given: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """Return what is asked for as a search of this request has it: of a size that is larger than
    the search, all there is."""
    most = {
        "round": request.trials,
        "pack": request.round * request.replicates,
        "block": 1 if request.settled.usual == SINGLE else request.pack,
        "report": request.epochs or request.steps,
    }
    return {n: min(value, most[n]) if n in most else value for n, value in given.items()}


def idle(request: Request, workers: int) -> str:
    """Say that so many workers are more than there is work for; nothing where they are not."""
    packs = in_flight(request)
    if workers <= packs:
        return ""
    smaller = "" if request.called else f"a smaller --pack than {request.pack} or "
    return (
        f"{workers - packs} of {workers} workers will stand idle: there is work for {packs} at a "
        f"time; {smaller}a larger --round than {request.round} helps"
    )
