"""Optuna's own TPE sampler, asked for a round."""

from __future__ import annotations

import logging
import threading
import warnings
from typing import Any, ClassVar

import numpy
import optuna
from numpy.typing import NDArray
from optuna.samplers import TPESampler

from shoal.search.process import quiet
from shoal.search.samplers import Column, Earlier, Question
from shoal.search.samplers.studies.trials import asked, trials_of
from shoal.search.space import Searched


class OptunaTpe:
    """The sampler ``optuna-tpe``: Optuna's own, asked for one trial after the other."""

    learns: ClassVar[bool] = True
    replays: ClassVar[bool] = False
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
        study.add_trials(trials_of(searched, earlier))
        for _ in range(count):
            if stop.is_set():
                break
            _, params = asked(study, searched, distributions)
            for name, dimension in dimensions.items():
                value = params[name]
                found[name].append(dimension.choices.index(value) if dimension.choices else value)
    return {name: numpy.array(values) for name, values in found.items()}
