"""The trials of a search as Optuna has finished ones: made by column, since there may be many."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Any

import numpy
import pyarrow as pa
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState, create_trial

from shoal.search.request import Objective
from shoal.search.space import Space

TRIAL, STATES = "trial", "states"
"""Names of user attributes: a trial's number in the search, and the states of its fits."""


def frozen(
    rows: pa.Table,
    curves: pa.Table,
    space: Space,
    goal: Objective,
    fits: int,
    only: Collection[int] | None = None,
    reports: int | None = None,
) -> list[FrozenTrial]:
    """Return the trials that have ended, in the order of their numbers.

    Values are those of the objective, means over a trial's fits: +inf, or -inf where a larger one
    is better, where a fit diverged; and so are the intermediate values, one for each reporting
    step. A trial has the hyperparameters that are active in it.

    Args:
        rows: one for each fit; curves: one for each fit and reporting step; in the order of keys.
        goal: what was searched for.
        fits: of each trial; one that has fewer rows has not ended.
        only: the numbers of the trials that are taken; None: all of them.
        reports: intermediate values of each trial at the most; None: all of them.
    """
    number = rows["trial"].to_numpy()
    first = numpy.flatnonzero(numpy.diff(number, prepend=-1))
    last = numpy.append(first[1:], len(number))
    taken = last - first == fits
    if only is not None:
        taken &= numpy.isin(number[first], list(only))
    first, last = first[taken], last[taken]
    heads = rows.take(pa.array(first))
    values = {name: heads[name].to_pylist() for name in space}
    distributions = {name: dimension.distribution for name, dimension in space.items()}
    scores = goal.scores(rows[goal.name].to_numpy())
    states, seconds = rows["state"].to_pylist(), rows["seconds"].to_numpy()
    steps = _steps(curves, goal.name, number[first], fits, reports)
    found = []
    for i, (start, a, b, reported) in enumerate(
        zip(heads["started"].to_pylist(), first, last, steps, strict=True)
    ):
        params = {name: column[i] for name, column in values.items() if column[i] is not None}
        state = _state(states[a:b])
        value = None if state is TrialState.FAIL else goal.value(float(scores[a:b].mean()))
        if state is TrialState.PRUNED:  # what was reported last, as Optuna has it
            value = next((v for v in reversed(reported.values()) if not math.isnan(v)), None)
        trial = create_trial(
            state=state,
            value=value,
            params=params,
            distributions={name: distributions[name] for name in params},
            intermediate_values=reported,
            user_attrs={TRIAL: int(number[a]), STATES: states[a:b]},
        )
        trial.datetime_start = start.astimezone().replace(tzinfo=None)  # local, as Optuna has it
        trial.datetime_complete = trial.datetime_start + timedelta(
            seconds=float(seconds[a:b].sum())
        )
        found.append(trial)
    return found


def _state(states: Collection[str]) -> TrialState:
    if "failed" in states:
        return TrialState.FAIL
    return TrialState.PRUNED if "pruned" in states else TrialState.COMPLETE


def _steps(
    curves: pa.Table, name: str, numbers: NDArray[Any], fits: int, reports: int | None
) -> Iterator[dict[int, float]]:
    """The intermediate values of each of these trials, by step."""
    trial, step, value = (curves[column].to_numpy() for column in ("trial", "step", name))
    if fits > 1:
        import pandas

        means = pandas.Series(value).groupby([trial, step]).mean()
        trial, step = (means.index.get_level_values(level).to_numpy() for level in (0, 1))
        value = means.to_numpy()
    begin = numpy.searchsorted(trial, numbers, side="left")
    end = numpy.searchsorted(trial, numbers, side="right")
    for a, b in zip(begin.tolist(), end.tolist(), strict=True):
        at: Any = slice(a, b)
        if reports is not None and reports < b - a:
            at = a + _spread(b - a, reports)
        yield dict(zip(step[at].tolist(), value[at].tolist(), strict=True))


def _spread(there: int, wanted: int) -> NDArray[numpy.int64]:
    """Which of `there` points are `wanted` ones, evenly spread; the last is one of them."""
    return (numpy.arange(1, wanted + 1) * there) // max(wanted, 1) - 1
