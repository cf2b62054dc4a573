"""The ranking of trials: which one is best."""

from __future__ import annotations

from typing import Any

import numpy
import pyarrow as pa
import pyarrow.compute as pc

from shoal.search.request import Request


def ranking(trials: pa.Table, request: Request) -> tuple[Any, dict[str, Any]]:
    """Return the trials that count, the best by the objective first; of equals, the first.

    A trial counts if all of its fits are there, and none of them failed or was pruned.

    Args:
        trials: rows in the order of their keys.

    Returns:
        where the first row of each stands, shape (trials that count,); and of the same shape, for
        the loss and each metric the mean over its fits. Where one of them diverged, the mean loss
        is +inf, and metrics are NaN.
    """
    number = trials["trial"].to_numpy()
    first = numpy.flatnonzero(numpy.diff(number, prepend=-1))
    whole = numpy.diff(first, append=len(number)) == request.fits
    rows = first[whole][:, None] + numpy.arange(request.fits)
    lost = pc.is_in(trials["state"], value_set=pa.array(["failed", "pruned"]))
    rows = rows[~lost.to_numpy()[rows].any(axis=1)]
    means = {name: trials[name].to_numpy()[rows].mean(axis=1) for name in request.columns}
    goal = request.goal
    scores = goal.scores(trials[goal.name].to_numpy()[rows]).mean(axis=1)
    order = numpy.argsort(scores, kind="stable")
    return rows[order, 0], {name: column[order] for name, column in means.items()}
