"""The columns of a run folder: their names, order and types, fixed by the space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy
import pyarrow as pa

from shoal.search.space import Space
from shoal.trainable.lanes import FAILED, STATES

if TYPE_CHECKING:
    from shoal.search.request import Request
    from shoal.search.rounds import Pack
    from shoal.trainable.task import Outcome

KEY = ("trial", "replicate")

SEARCH = b"shoal.search"
"""The name, in a part's own description, of the search that it is of."""

_TYPES = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "str": pa.string()}

CURVES = pa.schema(
    [
        ("trial", pa.int64()),
        ("replicate", pa.int64()),
        ("step", pa.int64()),
        ("loss", pa.float64()),
    ]
)
"""One row per lane and reported step."""


def trials_schema(space: Space) -> pa.Schema:
    """One row per lane; a column per hyperparameter, under its own name."""
    return pa.schema(
        [
            ("trial", pa.int64()),
            ("replicate", pa.int64()),
            *((name, _TYPES[dimension.column]) for name, dimension in space.items()),
            ("loss", pa.float64()),
            ("state", pa.string()),
            ("steps", pa.int64()),
            ("round", pa.int64()),
            ("pack", pa.int64()),
            ("node", pa.string()),
            ("device", pa.string()),
            ("seconds", pa.float64()),
            ("started", pa.timestamp("us", tz="UTC")),
            ("error", pa.string()),
        ]
    )


def part_schema(space: Space) -> pa.Schema:
    """A part of the run folder: rows of trials, each with its own curve as lists."""
    return (
        trials_schema(space)
        .append(pa.field("curve_step", pa.list_(pa.int64())))
        .append(pa.field("curve_loss", pa.list_(pa.float64())))
    )


def part(request: Request, pack: Pack, outcome: Outcome) -> pa.Table:
    """Return the rows of a pack that ran, or failed for good."""
    space = request.space
    n = len(pack.lanes)
    fitted = outcome.fitted
    if fitted is None:
        loss: Any = numpy.full(n, numpy.inf)
        state: Any = numpy.full(n, FAILED)
        steps: Any = numpy.zeros(n, dtype=numpy.int64)
        ends = numpy.zeros(n + 1, dtype=numpy.int32)
        curve_step: Any = numpy.zeros(0, dtype=numpy.int64)
        curve_loss: Any = numpy.zeros(0)
    else:
        loss, steps = fitted.loss.numpy(), fitted.steps.numpy()
        state = fitted.state.numpy()
        lane = fitted.curve_lane.numpy()
        ends = numpy.searchsorted(lane, numpy.arange(n + 1)).astype(numpy.int32)
        curve_step, curve_loss = fitted.curve_step.numpy(), fitted.curve_loss.numpy()
    work = numpy.maximum(steps, 1) / numpy.maximum(steps, 1).sum()
    started = numpy.datetime64(round(outcome.started * 1e6), "us")
    columns = {
        "trial": pack.lanes.trial.numpy(),
        "replicate": pack.lanes.replicate.numpy(),
        **pack.columns,
        "loss": loss,
        "state": pa.DictionaryArray.from_arrays(pa.array(state), pa.array(STATES)),
        "steps": steps,
        "round": numpy.full(n, pack.round),
        "pack": numpy.full(n, pack.index),
        "node": _constant(outcome.node, n),
        "device": _constant(outcome.device, n),
        "seconds": (outcome.before + outcome.seconds) * work,
        "started": pa.array(numpy.full(n, started), pa.timestamp("us", tz="UTC")),
        "error": _constant(_told(outcome), n),
        "curve_step": pa.ListArray.from_arrays(pa.array(ends), pa.array(curve_step)),
        "curve_loss": pa.ListArray.from_arrays(pa.array(ends), pa.array(curve_loss)),
    }
    schema = part_schema(space)
    arrays = [pa.array(columns[name]).cast(schema.field(name).type) for name in schema.names]
    return pa.Table.from_arrays(arrays, schema=schema.with_metadata({SEARCH: request.mark}))


def _constant(text: str | None, n: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), n)


def _told(outcome: Outcome) -> str | None:
    """A failure in one line, with the file that has it in full."""
    if outcome.error is None or not outcome.details:
        return outcome.error
    return f"{outcome.error} (in full: errors.log)"


def split(space: Space, parts: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return the trials and the curves of rows that came as parts."""
    trials = parts.select(trials_schema(space).names)
    steps = parts["curve_step"].combine_chunks()
    losses = parts["curve_loss"].combine_chunks()
    lengths = numpy.asarray(steps.value_lengths())
    keys = [pa.array(numpy.repeat(parts[key].to_numpy(), lengths)) for key in KEY]
    curves = pa.Table.from_arrays([*keys, steps.flatten(), losses.flatten()], schema=CURVES)
    return trials, curves
