"""Optuna's studies: its own TPE sampler asked for a round, and finished trials as a study."""

from __future__ import annotations

import logging
import math
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy
import optuna
from numpy.typing import NDArray
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from shoal.search.process import quiet
from shoal.search.samplers.sampler import Column, Question, Searched
from shoal.search.space import Dimension


def study_of(trials: Sequence[FrozenTrial], maximize: bool = False) -> optuna.Study:
    """Return a study in memory that has `trials`.

    Args:
        maximize: whether larger values are better.
    """
    with quiet("optuna", logging.WARNING):
        study = optuna.create_study(direction="maximize" if maximize else "minimize")
        study.add_trials(trials)
    return study


class OptunaTpe:
    """The sampler ``optuna-tpe``: Optuna's own, asked for one trial after the other."""

    learns: ClassVar[bool] = True

    def __init__(self, searched: Searched, seed: int) -> None:
        self._dimensions = searched.dimensions

    def ask(self, question: Question) -> list[Column]:
        """Return a column for each hyperparameter."""
        earlier, dimensions = question.earlier, self._dimensions
        found = ask_tpe(
            dimensions,
            earlier.columns,
            earlier.scores,
            question.seed,
            question.count,
            question.stop,
        )
        return list(found.values())


def ask_tpe(
    searched: Mapping[str, Dimension],
    columns: Mapping[str, NDArray[Any]],
    loss: NDArray[numpy.float64],
    seed: int,
    count: int,
    stop: threading.Event,
) -> dict[str, NDArray[Any]]:
    """Ask Optuna's TPE sampler for `count` trials, or fewer if `stop` is set meanwhile.

    Args:
        columns: of told and running trials, a choice as its position.
        loss: of the told ones, which come first; +inf: diverged, NaN: failed.
    """
    found: dict[str, list[Any]] = {name: [] for name in searched}
    distributions = {name: dimension.distribution for name, dimension in searched.items()}
    with quiet("optuna", logging.WARNING), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(sampler=TPESampler(seed=seed))
        study.add_trials(_trials(searched, columns, loss))
        for _ in range(count):
            if stop.is_set():
                break
            params = study.ask(distributions).params
            for name, dimension in searched.items():
                value = params[name]
                found[name].append(dimension.choices.index(value) if dimension.choices else value)
    return {name: numpy.array(values) for name, values in found.items()}


def _trials(
    searched: Mapping[str, Dimension],
    columns: Mapping[str, NDArray[Any]],
    loss: NDArray[numpy.float64],
) -> Iterator[FrozenTrial]:
    distributions = {name: dimension.distribution for name, dimension in searched.items()}
    values = [
        [dimension.choices[i] for i in columns[name]]
        if dimension.choices
        else columns[name].tolist()
        for name, dimension in searched.items()
    ]
    losses = loss.tolist()
    for i, row in enumerate(zip(*values, strict=True)):
        known = i < len(losses) and not math.isnan(losses[i])
        state = TrialState.COMPLETE if known else TrialState.FAIL
        yield create_trial(
            state=state if i < len(losses) else TrialState.RUNNING,
            value=losses[i] if known else None,
            params=dict(zip(searched, row, strict=True)),
            distributions=distributions,
        )
