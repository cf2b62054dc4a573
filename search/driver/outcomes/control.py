"""The control: a lane that has worked, against which packs that fail are judged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import pyarrow as pa
import pyarrow.compute as pc

from shoal.search.request import Request
from shoal.search.rounds import Pack, lanes_of
from shoal.trainable.lanes import FAILED, STATES, Lanes


def of_rows(request: Request, shape_names: Sequence[str], rows: pa.Table) -> Lanes | None:
    """Return the first lane of some rows that did not fail, or None.

    Args:
        shape_names: which hyperparameters are of the shape.
        rows: as ``trials.parquet`` has them.
    """
    place = pc.index(pc.not_equal(rows["state"], STATES[FAILED]), True).as_py()
    return None if place < 0 else lanes_of(request, shape_names, rows.slice(place, 1))


def of_pack(pack: Pack) -> Lanes:
    """Return the first lane of a pack that has worked."""
    return pack.only(numpy.arange(len(pack.lanes)) == 0).lanes
