"""What a pack has given back, as the run folder has it: rows, and fitted parameters."""

from __future__ import annotations

from typing import Any

import numpy
import pyarrow as pa

from shoal.search.folder import Stack
from shoal.search.folder.tables import rows
from shoal.search.request import Request
from shoal.search.rounds import Pack
from shoal.trainable.columns import LOSS
from shoal.trainable.lanes import COMPLETE, FAILED, PRUNED, STATES
from shoal.trainable.task import Outcome


def part_of(request: Request, pack: Pack, outcome: Outcome) -> pa.Table:
    """Return the rows of a pack that ran, or failed for good."""
    n = len(pack.lanes)
    fitted = outcome.fitted
    if fitted is None:
        loss: Any = numpy.full(n, numpy.inf)
        state: Any = numpy.full(n, FAILED)
        steps: Any = numpy.zeros(n, dtype=numpy.int64)
        ends = numpy.zeros(n + 1, dtype=numpy.int32)
        metrics = {name: pa.nulls(n, pa.float64()) for name in request.metrics}
        best_step = pa.nulls(n, pa.int64())
        points: dict[str, Any] = {name: numpy.zeros(0) for name in ("step", *request.columns)}
    else:
        loss, steps = fitted.loss.numpy(), fitted.steps.numpy()
        state = fitted.state.numpy()
        lane = fitted.curve_lane.numpy()
        ends = numpy.searchsorted(lane, numpy.arange(n + 1)).astype(numpy.int32)
        none = (state != COMPLETE) & (state != PRUNED)
        metrics = {
            name: pa.array(column, mask=none)
            for name, column in zip(request.metrics, fitted.metrics.numpy().T, strict=True)
        }
        best_step = pa.array(fitted.best_step.numpy(), mask=state != COMPLETE)
        points = {
            "step": fitted.curve_step.numpy(),
            **({} if request.called else {LOSS: fitted.curve_loss.numpy()}),
            **dict(zip(request.metrics, fitted.curve_metrics.numpy().T, strict=True)),
        }
    work = numpy.maximum(steps, 1) / numpy.maximum(steps, 1).sum()
    started = numpy.datetime64(round(outcome.started * 1e6), "us")
    columns = {
        "trial": pack.lanes.trial.numpy(),
        "replicate": pack.lanes.replicate.numpy(),
        **pack.columns,
        **({} if request.called else {LOSS: loss}),
        **metrics,
        rows.BEST_STEP: best_step,
        "state": pa.DictionaryArray.from_arrays(pa.array(state), pa.array(STATES)),
        "steps": steps,
        "round": numpy.full(n, pack.round),
        "pack": numpy.full(n, pack.index),
        "node": _constant(outcome.node, n),
        "device": _constant(outcome.device, n),
        "seconds": (outcome.before + outcome.seconds) * work,
        "started": pa.array(numpy.full(n, started), pa.timestamp("us", tz="UTC")),
        "error": _constant(_told(outcome), n),
        **{
            rows.curve(name): pa.ListArray.from_arrays(pa.array(ends), pa.array(column))
            for name, column in points.items()
        },
    }
    schema = rows.part_schema(request)
    arrays = [pa.array(columns[name]).cast(schema.field(name).type) for name in schema.names]
    return pa.Table.from_arrays(arrays, schema=schema.with_metadata({rows.SEARCH: request.mark}))


def parameters_of(pack: Pack, outcome: Outcome) -> Stack | None:
    """Return the fitted parameters that a pack has given back, if any."""
    held = outcome.fitted.parameters if outcome.fitted is not None else None
    if held is None:
        return None
    at = held.lane
    return Stack(
        trial=pack.lanes.trial[at].numpy(),
        replicate=pack.lanes.replicate[at].numpy(),
        fold=numpy.full(len(at), pack.lanes.fold),
        named={name: values.numpy() for name, values in held.named.items()},
        prepared={name: values.numpy() for name, values in held.prepared.items()},
    )


def _constant(text: str | None, n: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), n)


def _told(outcome: Outcome) -> str | None:
    """A failure in one line, with the file that has it in full."""
    if outcome.error is None or not outcome.details:
        return outcome.error
    return f"{outcome.error} (in full: errors.log)"
