"""Optuna's own TPE sampler, asked for a round."""

from __future__ import annotations

import logging
import math
import threading
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy
import optuna
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from shoal.search.process import quiet
from shoal.search.samplers.sampler import Column, Earlier, Question
from shoal.search.space import Searched, is_conditional


class OptunaTpe:
    """The sampler ``optuna-tpe``: Optuna's own, asked for one trial after the other."""

    learns: ClassVar[bool] = True
    repeats: ClassVar[bool] = True

    def __init__(self, searched: Searched, seed: int) -> None:
        self._searched = searched

    def ask(self, question: Question) -> list[Column]:
        """Return a column for each hyperparameter."""
        earlier = question.earlier
        found = ask_tpe(
            self._searched,
            earlier,
            question.seed,
            question.count,
            question.stop,
        )
        return list(found.values())


def ask_tpe(
    searched: Searched, earlier: Earlier, seed: int, count: int, stop: threading.Event
) -> dict[str, NDArray[Any]]:
    """Ask Optuna's TPE sampler for `count` trials, or fewer if `stop` is set meanwhile.

    Its estimator of a hyperparameter is of the trials that have it, since it takes each by itself.
    """
    dimensions = searched.dimensions
    found: dict[str, list[Any]] = {name: [] for name in dimensions}
    distributions = {name: dimension.distribution for name, dimension in dimensions.items()}
    with quiet("optuna", logging.WARNING), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(sampler=TPESampler(seed=seed))
        study.add_trials(_trials(searched, earlier))
        for _ in range(count):
            if stop.is_set():
                break
            params = _asked(study, searched, distributions)
            for name, dimension in dimensions.items():
                value = params[name]
                found[name].append(dimension.choices.index(value) if dimension.choices else value)
    return {name: numpy.array(values) for name, values in found.items()}


def _asked(
    study: optuna.Study, searched: Searched, distributions: Mapping[str, BaseDistribution]
) -> dict[str, Any]:
    """The values of one trial; what is not active in it has its first value, and Optuna does not
    know of it."""
    if not is_conditional(searched.axes):
        return study.ask(dict(distributions)).params
    trial = study.ask()
    found = {name: d.choices[0] if d.choices else d.low for name, d in searched.dimensions.items()}
    for name in searched.order:
        columns = {n: numpy.array([searched.place(n, value)]) for n, value in found.items()}
        active = searched.active(columns, 1)
        if name not in active or active[name][0]:
            found[name] = _suggested(trial, name, distributions[name])
    return found


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


def _trials(searched: Searched, earlier: Earlier) -> Iterator[FrozenTrial]:
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
