"""Any sampler of Optuna's, asked for rounds.

It has a study in memory, in which each trial is asked for define-by-run, while those of the round
before are running. What it keeps from one trial to the next is not written down: where a search
goes on, it is asked and told the same again, in the same order, from the same seed.
"""

from __future__ import annotations

import logging
import math
import warnings
from typing import Any, ClassVar

import numpy
import optuna
from optuna.trial import TrialState, create_trial

from shoal.search.errors import SearchError
from shoal.search.process import quiet
from shoal.search.samplers import Column, Earlier, Question
from shoal.search.samplers.studies.loading import made
from shoal.search.samplers.studies.trials import asked, params_of
from shoal.search.space import Searched
from shoal.trainable.errors import one_line


class Replayed:
    """A sampler of Optuna's.

    Attributes:
        spec: its name (`shoal.search.samplers.studies.loading`).
    """

    learns: ClassVar[bool] = True
    repeats: ClassVar[bool] = True
    replays: ClassVar[bool] = True
    spec: ClassVar[str]

    def __init__(self, searched: Searched, seed: int) -> None:
        self._searched = searched
        dimensions = searched.dimensions
        self._distributions = {name: d.distribution for name, d in dimensions.items()}
        self._trials: dict[int, optuna.Trial] = {}
        self._told = self._known = 0
        with quiet("optuna", logging.WARNING), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._study = optuna.create_study(sampler=made(self.spec, seed))

    def ask(self, question: Question) -> list[Column]:
        """Return a column for each hyperparameter.

        Raises:
            SearchError: the sampler fails.
        """
        try:
            with quiet("optuna", logging.ERROR), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._tell(question.earlier)
                return self._ask(question)
        except (KeyboardInterrupt, SearchError):
            raise
        except Exception as error:
            raise SearchError(f"the sampler {self.spec} has failed: {one_line(error)}") from error

    def _ask(self, question: Question) -> list[Column]:
        dimensions = self._searched.dimensions
        found: dict[str, list[Any]] = {name: [] for name in dimensions}
        for number in range(question.first, question.first + question.count):
            if question.stop.is_set():
                break
            trial, params = asked(self._study, self._searched, self._distributions)
            self._trials[number] = trial
            for name, value in params.items():
                found[name].append(self._searched.place(name, value))
        return [numpy.array(found[name]) for name in dimensions]

    def _tell(self, earlier: Earlier) -> None:
        """Tell what has been learned since the last round, in the order of the trials."""
        scores = earlier.scores.tolist()
        for place in range(self._known, earlier.without):
            self._add(params_of(self._searched, earlier, place), scores[place])
        self._known = earlier.without
        for number in range(self._told, len(scores) - earlier.without):
            trial, score = self._trials.pop(number), scores[earlier.without + number]
            params = params_of(self._searched, earlier, earlier.without + number)
            if math.isnan(score):
                self._study.tell(trial, state=TrialState.FAIL)
            elif params == trial.params:
                self._study.tell(trial, score)
            else:  # it was not what was asked for, but a point of the user's
                self._study.tell(trial, state=TrialState.FAIL)
                self._add(params, score)
            self._told = number + 1

    def _add(self, params: dict[str, Any], score: float) -> None:
        """Add a trial that was not asked for."""
        distributions = {name: self._distributions[name] for name in params}
        if not math.isnan(score):
            self._study.add_trial(
                create_trial(value=score, params=params, distributions=distributions)
            )
