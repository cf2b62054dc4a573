"""The control: a lane that has worked, against which packs that fail are judged."""

from __future__ import annotations

import numpy
import pyarrow as pa
import pyarrow.compute as pc
import torch

from shoal.search.request import Request
from shoal.search.rounds import Pack
from shoal.trainable.lanes import FAILED, STATES, Lanes
from shoal.trainable.optimizers import OPTIMIZERS


def of_rows(request: Request, shape_names: tuple[str, ...], rows: pa.Table) -> Lanes | None:
    """Return the first lane of some rows that did not fail, or None.

    Args:
        shape_names: which hyperparameters are of the shape.
        rows: as ``trials.parquet`` has them.
    """
    place = pc.index(pc.not_equal(rows["state"], STATES[FAILED]), True).as_py()
    if place < 0:
        return None
    row = rows.slice(place, 1).to_pylist()[0]
    values = {
        name: torch.tensor([float(row[name])], dtype=torch.float64)
        for name in request.space
        if name not in shape_names
    }
    return Lanes(
        trial=torch.tensor([row["trial"]]),
        replicate=torch.tensor([row["replicate"]]),
        seed=torch.tensor([request.seed + row["replicate"]]),
        values=values,
        shape={"optimizer": next(iter(OPTIMIZERS)), **{name: row[name] for name in shape_names}},
    )


def of_pack(pack: Pack) -> Lanes:
    """Return the first lane of a pack that has worked."""
    return pack.only(numpy.arange(len(pack.lanes)) == 0).lanes
