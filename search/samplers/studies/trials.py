"""Trials of rounds as Optuna's: asked for define-by-run, and told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from shoal.search.samplers import Earlier
from shoal.search.space import Searched, is_conditional


def asked(
    study: optuna.Study, searched: Searched, distributions: Mapping[str, BaseDistribution]
) -> tuple[optuna.Trial, dict[str, Any]]:
    """Return a new trial and its values; what is not active in it has its first value, and Optuna
    does not know of it."""
    if not is_conditional(searched.axes):
        trial = study.ask(dict(distributions))
        return trial, trial.params
    trial = study.ask()
    found = {name: d.choices[0] if d.choices else d.low for name, d in searched.dimensions.items()}
    for name in searched.order:
        columns = {n: numpy.array([searched.place(n, value)]) for n, value in found.items()}
        active = searched.active(columns, 1)
        if name not in active or active[name][0]:
            found[name] = _suggested(trial, name, distributions[name])
    return trial, found


def params_of(searched: Searched, earlier: Earlier, place: int) -> dict[str, Any]:
    """Return the values of an earlier trial, without what is not active in it."""
    return {
        name: dimension.choices[int(earlier.columns[name][place])]
        if dimension.choices
        else earlier.columns[name][place].item()
        for name, dimension in searched.dimensions.items()
        if name not in earlier.active or earlier.active[name][place]
    }


def _suggested(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    raise ValueError(f"{distribution!r} is none of Optuna's three distributions")


def trials_of(searched: Searched, earlier: Earlier) -> Iterator[FrozenTrial]:
    """Yield earlier trials as Optuna has them; those that run are running there."""
    dimensions, columns, active = searched.dimensions, earlier.columns, earlier.active
    distributions = {name: dimension.distribution for name, dimension in dimensions.items()}
    values = [
        [dimension.choices[i] for i in columns[name]]
        if dimension.choices
        else columns[name].tolist()
        for name, dimension in dimensions.items()
    ]
    losses = earlier.scores.tolist()
    for i, row in enumerate(zip(*values, strict=True)):
        known = i < len(losses) and not math.isnan(losses[i])
        state = TrialState.COMPLETE if known else TrialState.FAIL
        there = [name for name in dimensions if name not in active or active[name][i]]
        params = dict(zip(dimensions, row, strict=True))
        yield create_trial(
            state=state if i < len(losses) else TrialState.RUNNING,
            value=losses[i] if known else None,
            params={name: params[name] for name in there},
            distributions={name: distributions[name] for name in there},
        )
