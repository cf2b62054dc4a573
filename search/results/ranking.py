"""The ranking of trials: which one is best."""

from __future__ import annotations

from typing import Any

import numpy
import pyarrow as pa
import pyarrow.compute as pc


def ranking(trials: pa.Table, replicates: int) -> tuple[Any, Any]:
    """Return the trials that count, the best first; of equals, the first.

    A trial counts if none of its replicates failed and all are there.

    Args:
        trials: rows in the order of their keys.

    Returns:
        (rows, losses), both of shape (trials that count,): where the first row of each stands, and
        the mean loss of its replicates (+inf: one of them diverged).
    """
    number = trials["trial"].to_numpy()
    first = numpy.flatnonzero(numpy.diff(number, prepend=-1))
    whole = numpy.diff(first, append=len(number)) == replicates
    rows = first[whole][:, None] + numpy.arange(replicates)
    failed = pc.equal(trials["state"], "failed").to_numpy()[rows].any(axis=1)
    rows = rows[~failed]
    losses = trials["loss"].to_numpy()[rows].mean(axis=1)
    order = numpy.argsort(losses, kind="stable")
    return rows[order, 0], losses[order]
