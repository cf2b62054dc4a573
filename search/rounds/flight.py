"""What rounds mean for workers: how many packs are in flight."""

from __future__ import annotations

from shoal.search.request import Request


def in_flight(request: Request) -> int:
    """Return how many packs the last two rounds have, the largest: no more run at once."""
    last = len(request.layout) - 1
    spans = [request.layout[number] for number in range(max(0, last - 1), last + 1)]
    lanes = sum((span.stop - span.first) * span.replicates for span in spans)
    return -(-lanes * request.folds // spans[-1].pack)


def idle(request: Request, workers: int) -> str:
    """Say that so many workers are more than there is work for; nothing where they are not."""
    packs, last = in_flight(request), request.layout[len(request.layout) - 1]
    if workers <= packs:
        return ""
    smaller = "" if request.called else f"a smaller --pack than {last.pack} or "
    size = request.round or last.stop - last.first
    return (
        f"{workers - packs} of {workers} workers will stand idle: there is work for {packs} at a "
        f"time; {smaller}a larger --round than {size} helps"
    )
