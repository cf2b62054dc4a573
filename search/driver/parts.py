"""The rows of a pack that ran, or failed for good, as a part of the run folder."""

from __future__ import annotations

from typing import Any

import numpy
import pyarrow as pa

from shoal.search.folder import rows
from shoal.search.request import Request
from shoal.search.rounds import Pack
from shoal.trainable.lanes import FAILED, STATES
from shoal.trainable.task import Outcome


def part_of(request: Request, pack: Pack, outcome: Outcome) -> pa.Table:
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
    schema = rows.part_schema(space)
    arrays = [pa.array(columns[name]).cast(schema.field(name).type) for name in schema.names]
    return pa.Table.from_arrays(arrays, schema=schema.with_metadata({rows.SEARCH: request.mark}))


def _constant(text: str | None, n: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), n)


def _told(outcome: Outcome) -> str | None:
    """A failure in one line, with the file that has it in full."""
    if outcome.error is None or not outcome.details:
        return outcome.error
    return f"{outcome.error} (in full: errors.log)"
