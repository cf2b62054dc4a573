"""How the step of each shape would be run: as a kernel or as torch's operations, why, how fast.

What a search settles before its first round is settled here too, and told; no run folder is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from shoal.search.errors import BadInput
from shoal.search.explaining.measuring import Measured, measured
from shoal.search.preparation import Prepared, prepare
from shoal.search.process import own_settings
from shoal.search.programs import Case, points_of, shapes_of
from shoal.search.request import Asked, Request
from shoal.search.rounds import folds_of
from shoal.trainable.errors import TrainableError
from shoal.trainable.fused import LANES
from shoal.trainable.programs import EAGER, PIECES, SEQUENTIAL, SINGLE, key

MAX_SHAPES = 32
"""Combinations of shape hyperparameters that are told."""


@dataclass(frozen=True, kw_only=True)
class Explained:
    """How one combination of shape hyperparameters is run.

    Attributes:
        kind: how (`shoal.trainable.programs.settled`).
        metrics: ``kernel`` or ``eager``; empty: there are none.
        why: why the step can be no kernel alone; empty: it can be, or its code cannot be stacked.
        calls: why each call of torch is one that is between kernels.
        why_metrics: why the metrics can be none, likewise.
        operations: of torch, in one update; 0: its code cannot be stacked.
        numbers: that kernels compute in one update of a fit; 0: there can be none.
        measured: None: it was not.
    """

    shape: Mapping[str, Any]
    kind: str
    metrics: str
    why: str = ""
    why_metrics: str = ""
    calls: tuple[str, ...] = ()
    operations: int = 0
    numbers: int = 0
    measured: Measured | None = None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """How a search would be run.

    Attributes:
        shapes: the first `MAX_SHAPES` of them; count: how many there are.
        notes: what else the search would say before it begins.
    """

    request: Request
    shapes: tuple[Explained, ...]
    count: int
    notes: tuple[str, ...]


@own_settings()
def explain(asked: Asked, *, measure: bool = False) -> Explanation:
    """Return how the search that `asked` describes would be run.

    Args:
        measure: whether the time of an update is measured too, some seconds a shape.

    Raises:
        BadInput: the search could not start, or it calls a function or a program.
    """
    prepared = prepare(asked, None)
    try:
        if prepared.request.called:
            raise BadInput("a function or a program is called for each fit; nothing is stacked")
        return _explained(prepared, measure)
    except TrainableError as error:
        raise BadInput(str(error)) from error
    finally:
        prepared.source.release()


def _explained(prepared: Prepared, measure: bool) -> Explanation:
    request, names = prepared.request, prepared.shape_names
    shapes = shapes_of(request.space, names, request.folds)
    case = Case(
        problem=prepared.source.load(),
        defaults=prepared.defaults,
        points=points_of(request.space, names, prepared.defaults),
        seed=request.seed,
        steps=request.steps,
        block=request.block,
        unroll=request.unroll,
        required=False,
        folds=folds_of(request),
    )
    told = tuple(_of_shape(case, request, shape, measure) for shape in shapes[:MAX_SHAPES])
    return Explanation(request=request, shapes=told, count=len(shapes), notes=prepared.notes)


def _of_shape(case: Case, request: Request, shape: Mapping[str, Any], measure: bool) -> Explained:
    kind = request.settled.of(shape)
    case = replace(case, block=request.settled.block(shape, request.block))
    if kind == SINGLE:
        return Explained(
            shape=shape,
            kind=kind,
            metrics=EAGER if request.metrics else "",
            measured=measured(case, shape, kind) if measure else None,
        )
    few = replace(case, block=LANES).program(shape, EAGER)
    lanes, which = case.lanes(shape), torch.arange(LANES)
    with torch.no_grad():
        params, state = few.initial(lanes, which)
        values = few.values(lanes, which)
        work = few.count(params, state, values)
        metrics = few.unfused_metrics(params, values) if request.metrics else ""
    counted = work.alone_products if kind == SEQUENTIAL else work.instructions
    return Explained(
        shape=shape,
        kind=kind,
        metrics=request.settled.metrics.get(key(shape), EAGER) if request.metrics else "",
        why=work.unfused,
        why_metrics=metrics,
        calls=work.calls if kind == PIECES else (),
        operations=work.operations,
        numbers=work.fused,
        measured=measured(case, shape, kind, counted) if measure else None,
    )
