"""Tree-structured Parzen estimators for whole rounds: built once, all lanes drawn from them.

Bergstra et al. 2011: candidates come from a density l of the good trials, and those are taken where
l is large against the density g of the others. A round of thousands cannot be the argmax of one
l / g, as its lanes would lie on each other, and a search of eight rounds has to learn more from
each. So here

* lanes share three levels of good: the best few, more, and many trials (`search.kernels`);
* each lane draws candidates of its own from one of the kernels;
* some lanes take the one with the largest l / g; others, up to a number that a Gaussian process is
  cheap for (`search.surrogate`), the one with the least mean - κ deviation, each with a κ of its
  own, refined twice; of these each draws where it expects the edge to what diverges;
* a share of the lanes explores: points of a Sobol' sequence, from which all lanes come while too
  little is known;
* no lane repeats a trial while there are other values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
from numpy.typing import NDArray

from search.axes import Axis, Floats, keys, settle, spread
from search.kernels import Kernels
from search.sequence import sequence
from search.surrogate import LEAST_RISE, Surrogate

Ints = NDArray[numpy.int64]

START = 3
"""Finite losses that are needed to learn anything."""

EXPLORE = 0.1
MODELLED, MOST_MODELLED = 0.7, 256
"""Share of the other lanes that goes to the Gaussian process, and how many at most in a round."""

CANDIDATES = 8
"""Of a lane, for l / g."""

REFINED = (8, 48, 2048)
"""Candidates of a lane for each scale: least, most, and in all lanes together."""

SCALES = (1.5, 0.5, 0.15)
"""Of a kernel, in which a lane looks around: first about the kernel, then about the best so far."""

WIDE = 0.25
"""Share of the first candidates that is drawn from the whole of what the process knows."""

MOST_CELLS = 4096
"""Values of a space up to which the unused ones are listed."""

CHUNK = 8192
"""Lanes that are drawn together, which bounds memory."""

GOLDEN = 0.6180339887498949


def draw(
    axes: Sequence[Axis],
    told: Floats,
    loss: Floats,
    running: Floats,
    *,
    first: int,
    count: int,
    seed: int,
    round_seed: int,
) -> Floats:
    """Return the points of a round, from the same arguments always the same.

    Args:
        told: shape (n, d), points of known loss; loss: shape (n,), +inf where diverged.
        running: shape (m, d), points whose loss is not known yet.
        first: number of the round's first trial, and its place in the Sobol' sequence.
        seed: of the sequence; round_seed: of all else.

    Returns:
        shape (count, d), coordinates (`search.axes`).
    """
    rng = numpy.random.default_rng(round_seed)
    points = spread(axes, sequence(len(axes), first, count, seed))
    loss = numpy.where(loss < numpy.inf, numpy.clip(loss, -1e150, 1e150), numpy.inf)
    surrogate = None
    if numpy.isfinite(loss).sum() >= START:
        surrogate = _exploit(axes, points, told, loss, running, rng)
    points = settle(axes, points)
    known = numpy.concatenate([told, running])
    _renew(axes, points, known, surrogate, rng)
    return points


def _exploit(
    axes: Sequence[Axis],
    points: Floats,
    told: Floats,
    loss: Floats,
    running: Floats,
    rng: numpy.random.Generator,
) -> Surrogate | None:
    """Move all points but those that explore; return the Gaussian process, if one was made."""
    count = len(points)
    kernels = Kernels(axes, told, loss, running)
    # in a round the shares are exact; where lanes are asked one by one, they are chances
    place = numpy.asarray((rng.random() + numpy.arange(count) * GOLDEN) % 1.0, numpy.float64)
    lanes = numpy.flatnonzero(place >= EXPLORE)
    kernel = kernels.assign((place[lanes] - EXPLORE) / (1 - EXPLORE), rng)
    share = min(MODELLED, MOST_MODELLED / max(1, len(lanes)))
    modelled = rng.random(len(lanes)) < share
    finite = loss[numpy.isfinite(loss)]
    surrogate = None
    if modelled.any() and finite.max() - finite.min() > LEAST_RISE:
        surrogate = Surrogate(axes, told, loss, running)
        points[lanes[modelled]] = _refine(axes, kernels, kernel[modelled], surrogate, rng)
        lanes, kernel = lanes[~modelled], kernel[~modelled]
    for start in range(0, len(lanes), CHUNK):
        chunk = slice(start, start + CHUNK)
        candidates, z = kernels.around(
            kernel[chunk], kernels.centre[kernel[chunk]], CANDIDATES, 1.0, rng
        )
        best = kernels.ratio(kernel[chunk], candidates, z).argmax(axis=1)
        points[lanes[chunk]] = candidates[numpy.arange(len(best)), best]
    return surrogate


def _refine(
    axes: Sequence[Axis],
    kernels: Kernels,
    kernel: Ints,
    surrogate: Surrogate,
    rng: numpy.random.Generator,
) -> Floats:
    """Return a point for each lane where its own lower bound of the loss is low."""
    lanes = len(kernel)
    least, most, together = REFINED
    number = min(most, max(least, together // lanes))
    caution = numpy.abs(rng.standard_normal((lanes, 1)))
    edge = rng.random((lanes, 1))
    best = kernels.centre[kernel]
    bound = numpy.full(lanes, numpy.inf)
    every = numpy.arange(lanes)
    for scale in SCALES:
        candidates, _ = kernels.around(kernel, best, number, scale, rng)
        if scale == SCALES[0]:
            wide = int(number * WIDE)
            cube = rng.random((lanes * wide, len(axes)))
            for j, axis in enumerate(axes):
                if not axis.choices:
                    low, high = surrogate.low[j], surrogate.high[j]
                    cube[:, j] = low + (high - low) * cube[:, j]
            candidates[:, :wide] = spread(axes, cube).reshape(lanes, wide, -1)
        flat = settle(axes, candidates.reshape(lanes * number, -1))
        mean, deviation, place = (a.reshape(lanes, number) for a in surrogate.predict(flat))
        value = mean - caution * deviation + 10.0 * (place < edge)
        chosen = value.argmin(axis=1)
        better = value[every, chosen] < bound
        bound = numpy.where(better, value[every, chosen], bound)
        found = flat.reshape(lanes, number, -1)[every, chosen]
        best = numpy.where(better[:, None], found, best)
    return best


def _renew(
    axes: Sequence[Axis],
    points: Floats,
    known: Floats,
    surrogate: Surrogate | None,
    rng: numpy.random.Generator,
) -> None:
    """Replace points that repeat an earlier one, as far as there are other values."""
    old = numpy.sort(keys(axes, known))
    sizes = [axis.size for axis in axes]
    cells = math.prod(sizes)
    listed = 0 < cells <= MOST_CELLS
    for _ in range(1 if listed else 3):
        now = keys(axes, points)
        _, firsts = numpy.unique(now, return_index=True)
        again = numpy.ones(len(points), dtype=bool)
        again[firsts] = False
        again |= _among(now, old)
        lanes = numpy.flatnonzero(again)
        if not len(lanes):
            return
        if not listed:
            points[lanes] = settle(axes, spread(axes, rng.random((len(lanes), len(axes)))))
            continue
        grid = numpy.stack(numpy.unravel_index(numpy.arange(cells), sizes), axis=1)
        every = numpy.stack(
            [g if a.choices else (g + 0.5) / a.size for a, g in zip(axes, grid.T, strict=True)],
            axis=1,
        )
        every = settle(axes, every)
        used = numpy.sort(numpy.concatenate([old, now]))
        unused = every[~_among(keys(axes, every), used)]
        unused = unused[rng.permutation(len(unused))]
        if surrogate is not None and len(unused):
            mean, _, place = surrogate.predict(unused)
            unused = unused[numpy.argsort(mean + 10.0 * (place < 0.5), kind="stable")]
        lanes = lanes[: len(unused)]
        points[lanes] = unused[: len(lanes)]


def _among(some: NDArray[numpy.uint64], ascending: NDArray[numpy.uint64]) -> NDArray[numpy.bool_]:
    """Return which of `some` are in `ascending`."""
    if not len(ascending):
        return numpy.zeros(len(some), dtype=bool)
    place = numpy.searchsorted(ascending, some)
    return numpy.asarray(ascending[numpy.minimum(place, len(ascending) - 1)] == some)
