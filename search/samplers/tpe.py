"""Tree-structured Parzen estimators for whole rounds: built once, all lanes drawn from them.

Bergstra et al. 2011: candidates come from a density l of the good trials, and those are taken where
l is large against the density g of the others. A round of thousands cannot be the argmax of one
l / g, as its lanes would lie on each other, and a search of eight rounds has to learn more from
each. So here

* lanes share three levels of good: the best few, more, and many trials (`search.samplers.parzen`);
* each lane draws candidates of its own from one component of the mixture;
* some lanes take the one with the largest l / g; others, up to a number that a Gaussian process is
  cheap for (`gaussian_process`), the one with the smallest lower confidence bound, mean -
  κ deviation, each with a κ of its own, refined twice; each samples its own divergence threshold;
* a share of the lanes explores: points of a Sobol' sequence, from which all lanes come while too
  little is known;
* no lane repeats a trial while there are other values;
* an axis that is not active at a point has no say there: estimators of an axis are of the trials
  that have it, and values of what is inactive are no difference between two trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy
from numpy.typing import NDArray

from shoal.search.samplers.gaussian_process import MIN_RISE, Surrogate, tamed
from shoal.search.samplers.parzen import Mixture
from shoal.search.samplers.sampler import Column, Question
from shoal.search.samplers.sobol import sequence
from shoal.search.space import (
    Axis,
    Cells,
    Floats,
    Gaps,
    Searched,
    among,
    blanked,
    cells_of,
    repeats,
    settle,
    spread,
)

Ints = NDArray[numpy.int64]

START = 3
"""Finite losses from which on the models are used (`n_startup_trials` of Optuna)."""

GATHER, AROUND = 0.5, 0.15
"""Where there are fewer finite losses, but some: share of the lanes that are drawn about their
trials, and the deviation of these along a range."""

EXPLORE = 0.1
"""Share of the lanes that comes from the Sobol' sequence."""

MODELLED, MAX_MODELLED = 0.7, 256
"""Share of the other lanes that goes to the Gaussian process, and how many at most in a round."""

CANDIDATES = 8
"""Points drawn for each lane, of which the one with the largest l / g is taken
(`n_ei_candidates` of Optuna)."""

REFINED = (8, 48, 2048)
"""Candidates of a lane at each scale: the smallest and the largest number, and that of all lanes
together."""

SCALES = (1.5, 0.5, 0.15)
"""Successive perturbation scales, in standard deviations of the component: the first about its
centre, the next about the best candidate so far."""

WIDE = 0.25
"""Share of the first candidates that is uniform in the box of the process's own trials."""

MAX_LISTED = 4096
"""Largest number of distinct points of a space whose unused points are enumerated."""

MAX_TRIES = 8
"""Rejection sampling: draws of a lane whose point repeats a trial."""

CHUNK = 8192
"""Lanes that are drawn in one batch, which bounds memory."""

GOLDEN = 0.6180339887498949


class Tpe:
    """The sampler ``tpe``."""

    learns: ClassVar[bool] = True
    replays: ClassVar[bool] = False
    repeats: ClassVar[bool] = False

    def __init__(self, searched: Searched, seed: int) -> None:
        self._searched, self._seed = searched, seed

    def ask(self, question: Question) -> list[Column]:
        """Return a column for each hyperparameter."""
        earlier = question.earlier
        known = self._searched.points(earlier.columns)
        told, running = known[: len(earlier.scores)], known[len(earlier.scores) :]
        works = ~numpy.isnan(earlier.scores)
        return draw(
            self._searched.axes,
            told[works],
            earlier.scores[works],
            running,
            [earlier.columns[name] for name in self._searched.dimensions],
            first=question.first,
            count=question.count,
            seed=self._seed,
            round_seed=question.seed,
        )


def draw(
    axes: Sequence[Axis],
    told: Floats,
    loss: Floats,
    running: Floats,
    earlier: Sequence[NDArray[Any]],
    *,
    first: int,
    count: int,
    seed: int,
    round_seed: int,
) -> list[NDArray[Any]]:
    """Return the values of a round, from the same arguments always the same.

    Args:
        told: shape (n, d), points of known loss; loss: shape (n,), +inf where diverged.
        running: shape (m, d), points whose loss is not known yet.
        earlier: values of each axis in all trials before, which are not to be repeated; of choices
            positions.
        first: number of the round's first trial, and its place in the Sobol' sequence.
        seed: of the sequence; round_seed: of all else.

    Returns:
        for each axis an array of shape (count,), of choices positions.
    """
    rng = numpy.random.default_rng(round_seed)
    points = spread(axes, sequence(len(axes), first, count, seed))
    loss = tamed(loss)
    surrogate = None
    finite = numpy.isfinite(loss)
    if finite.sum() >= START:
        surrogate = _exploit(axes, points, told, loss, running, rng)
    elif finite.any():
        _gather(axes, points, told[finite], rng)
    columns = _values(axes, settle(axes, points))
    _renew(cells_of(axes), columns, earlier, surrogate, rng)
    return columns


def _gather(
    axes: Sequence[Axis], points: Floats, finite: Floats, rng: numpy.random.Generator
) -> None:
    """Move a share of the points to where they are near one of a few trials that did not diverge,
    too few for a model."""
    lanes = numpy.flatnonzero(rng.random(len(points)) < GATHER)
    near = finite[rng.integers(0, len(finite), len(lanes))]
    for j, axis in enumerate(axes):
        if axis.choices:
            keeps = (rng.random(len(lanes)) < 0.5) & (near[:, j] >= 0)
            points[lanes, j] = numpy.where(keeps, near[:, j], points[lanes, j])
        else:
            moved = near[:, j] + AROUND * rng.standard_normal(len(lanes))
            points[lanes, j] = numpy.abs(1 - numpy.abs(1 - moved) % 2)


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
    mixture = Mixture(axes, told, loss, running)
    # in a round the shares are exact; where lanes are asked one by one, they are chances
    place = numpy.asarray((rng.random() + numpy.arange(count) * GOLDEN) % 1.0, numpy.float64)
    lanes = numpy.flatnonzero(place >= EXPLORE)
    component = mixture.assign((place[lanes] - EXPLORE) / (1 - EXPLORE), rng)
    share = min(MODELLED, MAX_MODELLED / max(1, len(lanes)))
    modelled = rng.random(len(lanes)) < share
    finite = loss[numpy.isfinite(loss)]
    surrogate = None
    if modelled.any() and finite.max() - finite.min() > MIN_RISE:
        surrogate = Surrogate(axes, told, loss, running)
        points[lanes[modelled]] = _refine(axes, mixture, component[modelled], surrogate, rng)
        lanes, component = lanes[~modelled], component[~modelled]
    for start in range(0, len(lanes), CHUNK):
        chunk = slice(start, start + CHUNK)
        candidates, z = mixture.around(
            component[chunk], mixture.centre[component[chunk]], CANDIDATES, 1.0, rng
        )
        best = mixture.ratio(component[chunk], candidates, z).argmax(axis=1)
        points[lanes[chunk]] = candidates[numpy.arange(len(best)), best]
    return surrogate


def _refine(
    axes: Sequence[Axis],
    mixture: Mixture,
    component: Ints,
    surrogate: Surrogate,
    rng: numpy.random.Generator,
) -> Floats:
    """Return a point for each lane where its own lower bound of the loss is low."""
    lanes = len(component)
    least, most, together = REFINED
    number = min(most, max(least, together // lanes))
    caution = numpy.abs(rng.standard_normal((lanes, 1)))
    edge = rng.random((lanes, 1))
    best = mixture.centre[component]
    bound = numpy.full(lanes, numpy.inf)
    every = numpy.arange(lanes)
    for scale in SCALES:
        candidates, _ = mixture.around(component, best, number, scale, rng)
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
    cells: Cells,
    columns: list[NDArray[Any]],
    earlier: Sequence[NDArray[Any]],
    surrogate: Surrogate | None,
    rng: numpy.random.Generator,
) -> None:
    """Replace points that repeat an earlier trial, while there are unused ones.

    Where the cells are few, by unused ones: those of which the process expects most, or as the
    space is written. Else by values drawn anew, and where these are used as well, by the nearest.
    """
    axes, used = cells.axes, numpy.sort(cells.numbers(earlier))
    lanes = repeats(cells.numbers(columns), used)
    tries = 0 if cells.count <= MAX_LISTED else MAX_TRIES
    while len(lanes) and tries:
        tries -= 1
        points = settle(axes, spread(axes, rng.random((len(lanes), len(axes)))))
        _put(columns, lanes, _values(axes, points))
        lanes = repeats(cells.numbers(columns), used)
    if not len(lanes) or not cells.counted:
        return
    now = cells.numbers(columns)
    used = numpy.unique(numpy.concatenate([used, now]))
    if cells.count > MAX_LISTED:
        numbers = numpy.array(Gaps(used, cells.count).take(now[lanes].tolist()), numpy.uint64)
        _put(columns, lanes[: len(numbers)], cells.columns(numbers))
        return
    every = numpy.arange(cells.count, dtype=numpy.uint64)
    unused = cells.columns(every[~among(every, used)])
    if not len(unused[0]):
        return
    order = numpy.argsort(rng.exponential(size=len(unused[0])) / cells.widths(unused))
    if surrogate is not None:
        points = numpy.stack(
            [axis.coordinates(c[order]) for axis, c in zip(axes, unused, strict=True)], axis=1
        )
        mean, _, place = surrogate.predict(points)
        order = order[numpy.argsort(mean + 10.0 * (place < 0.5), kind="stable")]
    order = order[: len(lanes)]
    _put(columns, lanes[: len(order)], [column[order] for column in unused])


def _put(columns: list[NDArray[Any]], lanes: Ints, values: Sequence[NDArray[Any]]) -> None:
    for column, new in zip(columns, values, strict=True):
        column[lanes] = new


def _values(axes: Sequence[Axis], points: Floats) -> list[NDArray[Any]]:
    return blanked(axes, [axis.values(points[:, j]) for j, axis in enumerate(axes)])
