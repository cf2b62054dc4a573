"""All checks of a problem class, run in order before a search starts.

Each promise of `trainable.problems.Problem` is checked by running the problem: one lane, several
lanes under ``torch.vmap``, and under full tracing; versions of tensors before and after; the
gradient against ``torch.autograd`` in float64. A failure is one line with the line of the user's
file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from shoal.trainable.checking.first import begins_finite, first_step
from shoal.trainable.checking.gradient import GradientCheck
from shoal.trainable.checking.later import check_later
from shoal.trainable.checking.metrics import check_metrics
from shoal.trainable.checking.several import check_several
from shoal.trainable.checking.trial import Trial
from shoal.trainable.errors import ContractError
from shoal.trainable.fused import LANES
from shoal.trainable.lanes import Lanes
from shoal.trainable.optimizers import (
    SCHEDULE,
    hyperparameters_of,
    optimizers_of,
    schedules_of,
)
from shoal.trainable.problems import METRICS, Folds, Leaves, Params, cast, leaves, names
from shoal.trainable.programs import LaneValues, Program, Work, counted


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What the checks have measured: the cost of a step, the metrics' names, and warnings.

    Attributes:
        works: what one update of one lane does, of each shape tried, at the most over optimizers.
        metrics: names of the problem's metrics.
        notes: what breaks no promise, and the user should know; a line each.
        single: whether fits have to run one at a time, since the loss cannot be stacked.
        of_an_epoch: batches of an epoch, at the most; 0: each update takes all rows.
        noisy: whether an update takes noise.
    """

    works: tuple[Work, ...]
    metrics: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    single: bool = False
    of_an_epoch: int = 0
    noisy: bool = False


def check(
    problem: type,
    *,
    updates: Sequence[tuple[str, str]],
    shapes: Sequence[Mapping[str, Any]],
    points: Sequence[Mapping[str, float]],
    folds: Folds | None = None,
) -> Checked:
    """Run all checks of a problem class (`shoal.trainable.problems.Problem` says what must hold).

    Args:
        updates: optimizers and schedules to try, one of each.
        shapes: constructor arguments to try.
        points: hyperparameters to try; each has every one of the problem's and the optimizers'.
        folds: how the rows are split; None: they are not.

    Raises:
        ContractError: it does not; the message is one line.
    """
    works, notes, metrics = [], [], tuple[str, ...]()
    single, epoch, noisy = False, 0, False
    for shape in shapes:
        trial = Trial(problem, dict(shape))
        for point in points:
            trial.firsts.append(first_step(trial, point))
            check_several(trial, trial.firsts[-1])
        begins_finite(trial)
        check_later(trial, trial.firsts[0])
        trial.keeps_nothing(points[0])
        metrics = check_metrics(trial, folds)
        work = Work()
        for optimizer, schedule in updates:
            found, alone = _stacked(trial, optimizer, schedule, points, folds)
            work, single = work.most(found), single or alone
        works.append(work)
        if trial.update.by_hand:
            for point in trial.own_points(points):
                _gradient(trial, point)
        trial.is_the_same_later()
        epoch = max(epoch, trial.update.of_an_epoch)
        noisy = noisy or trial.update.noise is not None
        notes += trial.notes
    told = tuple(dict.fromkeys(notes))
    return Checked(
        works=tuple(works),
        metrics=metrics,
        notes=told,
        single=single,
        of_an_epoch=epoch,
        noisy=noisy,
    )


def _gradient(trial: Trial, point: Mapping[str, float]) -> None:
    """Check the hand-written gradient, in float64 where the code allows it."""
    start = trial.initial(point)
    double: Params = cast(start, torch.float64)
    function, dtype = trial.doubled_step(point), torch.float64
    try:
        with torch.no_grad():
            function(double)
    except Exception:  # it makes tensors of one dtype: in that one then, less exactly
        function, dtype = trial.step(point), leaves(start)[0].dtype
    trial.notes += GradientCheck(trial, function, start, dtype).run()


def _stacked(
    trial: Trial,
    optimizer: str,
    schedule: str,
    points: Sequence[Mapping[str, float]],
    folds: Folds | None,
) -> tuple[Work, bool]:
    """Run a step of several fits by ``torch.vmap`` and by its trace; return the cost of one fit,
    and whether fits have to run one at a time.

    Two steps, since after one the optimizer's state and the parameters are still as they began.
    What torch.func makes of a loss is compared at each of both places; a gradient by hand also by
    where it leads to, since it may keep something between calls.
    """
    method = trial.method
    lanes = _lanes(points, trial.shape)
    known = optimizers_of(trial.cls)[optimizer], schedules_of(trial.cls)[schedule]
    usual = hyperparameters_of(*known)
    given = [n for n in lanes.values if any(point[n] != usual.get(n) for point in points)]
    program = Program(
        trial.cls,
        optimizer=optimizer,
        shape={**trial.shape, SCHEDULE: schedule},
        defaults={},
        block=LANES,
        device="cpu",
        fold=None if folds is None else folds.of(0),
        given=given,
    )
    with torch.no_grad():
        which = torch.arange(LANES)
        params, state = program.initial(lanes, which)
        values = program.values(lanes, which)
        leaf_names = [f"parameter {name}" for name in names(trial.initial(points[0]))]
        apart = [
            tuple(tuple(t[lane] for t in part) for part in (params, state, values))
            for lane in range(LANES)
        ]
        try:
            trial.guard(method, partial(program.prepare, params, state, values))
        except ContractError as error:
            if trial.update.by_hand:
                raise
            told = f"{error}; until then fits run one at a time, which is slow"
            trial.notes.append(told)
            p, s, v = apart[0]
            return replace(counted(lambda: program.lane_step(p, s, v)), unfused=str(error)), True
        routes = (program.stacked_step, program.chunk)
        reached = [(params, state)] * 2
        for _ in range(2):
            results = [
                trial.guard(method, partial(route, *before, values))
                for route, before in zip(routes, reached, strict=True)
            ]
            reached = [(after, state) for _, after, state in results]
            for lane, (p, s, v) in enumerate(apart):
                loss, moved, stated = program.lane_step(p, s, v)
                apart[lane] = (moved, stated, v)
                for many_losses, many_moved, _ in results:
                    _alike(trial, "the loss", loss, many_losses[lane])
                    if trial.update.by_hand:
                        for name, one, many in zip(leaf_names, moved, many_moved, strict=True):
                            _alike(trial, name, one, many[lane])
            if not trial.update.by_hand:  # rounding may decide where an optimizer goes
                reached = [reached[0]] * 2
                apart = [
                    tuple(tuple(t[lane] for t in part) for part in (*reached[0], values))
                    for lane in range(LANES)
                ]
            if program.measured:
                _measured(trial, program, values, apart, [after for after, _ in reached])
        return program.count(params, state, values), False


def _measured(
    trial: Trial,
    program: Program,
    values: LaneValues,
    apart: Sequence[Sequence[Leaves]],
    reached: Sequence[Leaves],
) -> None:
    """Compare metrics of single fits with those under ``torch.vmap``, as called and as traced.

    Args:
        apart: parameters, state and values of each lane; reached: parameters of all, by each route.
    """
    every = [program.metrics(params, values) for params in reached]
    for lane, (params, _, own) in enumerate(apart):
        for many in every:
            for name, one in program.lane_metrics(params, own).items():
                _alike(trial, f"the metric {name}", one, many[name][lane], METRICS)


def _alike(
    trial: Trial, what: str, one: torch.Tensor, many: torch.Tensor, method: str = ""
) -> None:
    """Check that a fit gives the same alone and under ``torch.vmap``, up to rounding.

    Args:
        method: that has made it; empty: the loss's.
    """
    if not (bool(torch.isfinite(one).all()) and bool(torch.isfinite(many).all())):
        return
    scale = float(one.abs().max()) if one.numel() else 0.0
    if not torch.allclose(one, many, rtol=0, atol=1e-3 * scale + 1e-5):
        trial.fail(
            method or trial.method,
            f"{what} is not the same for a fit alone and for a fit among others; "
            "it keeps something between calls or writes in place",
        )


def _lanes(points: Sequence[Mapping[str, float]], shape: dict[str, Any]) -> Lanes:
    chosen = [points[i % len(points)] for i in range(LANES)]
    return Lanes(
        trial=torch.arange(LANES),
        replicate=torch.zeros(LANES, dtype=torch.int64),
        seed=torch.arange(LANES),
        values={
            name: torch.tensor([point[name] for point in chosen], dtype=torch.float64)
            for name in chosen[0]
        },
        shape=shape,
    )
