"""Asking Optuna for a round of trials.

Each round has a fresh sampler, seeded from (seed, round), and a study built from finished rows, so
that a search that goes on is given the same lanes. Samplers: Optuna's own.
"""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.space import Space, Value

optuna.logging.set_verbosity(optuna.logging.WARNING)


class RoundSampler:
    """Asks for the lanes of one round after the other, from the same arguments always the same."""

    def __init__(self, name: str, seed: int, space: Space) -> None:
        self._name, self._seed, self._space = name, seed, space
        self._searched = {n: d.distribution for n, d in space.items() if not d.fixed}
        self._fixed = {n: d.choices[0] for n, d in space.items() if d.fixed}

    @property
    def learns(self) -> bool:
        """Whether finished trials change what is asked."""
        return self._name == "tpe"

    def told(self, params: Mapping[str, Value], loss: float | None) -> FrozenTrial:
        """Return a finished trial; `loss` is None where it failed, +inf where it diverged."""
        return create_trial(
            state=TrialState.FAIL if loss is None else TrialState.COMPLETE,
            value=loss,
            params={name: params[name] for name in self._searched},
            distributions=self._searched,
        )

    def running(self, params: Mapping[str, Value]) -> FrozenTrial:
        """Return a trial whose loss is not to be known yet."""
        return create_trial(
            state=TrialState.RUNNING,
            params={name: params[name] for name in self._searched},
            distributions=self._searched,
        )

    def ask(
        self,
        round_: int,
        first: int,
        count: int,
        earlier: Iterable[FrozenTrial],
        stop: threading.Event,
    ) -> dict[str, list[Value]]:
        """Return `count` values of each hyperparameter, or fewer if `stop` is set meanwhile.

        Args:
            first: number of the round's first trial.
            earlier: told and running trials of the rounds before, in order.
        """
        columns: dict[str, list[Value]] = {name: [] for name in self._space}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(sampler=self._sampler(round_, first))
            study.add_trials(earlier)
            for _ in range(count):
                if stop.is_set():
                    break
                params = {**self._fixed, **study.ask(self._searched).params}
                for name, values in columns.items():
                    values.append(params[name])
        return columns

    def _sampler(self, round_: int, first: int) -> BaseSampler:
        seed = round_seed(self._seed, round_)
        if self._name == "random":
            return RandomSampler(seed=seed)
        if self._name == "qmc":
            return _Sequence(self._searched, self._seed, first)
        return TPESampler(seed=seed)


def round_seed(seed: int, round_: int) -> int:
    """The seed of a round's sampler: 32 bits of sha256("seed:round")."""
    digest = hashlib.sha256(f"{seed}:{round_}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


class _Sequence(QMCSampler):
    """Optuna's QMC sampler, begun at a given point of its sequence.

    Optuna counts in the study's storage, and draws the first trial at random, as it learns the
    space from it; here both are known from the start.
    """

    def __init__(self, space: dict[str, BaseDistribution], seed: int, first: int) -> None:
        super().__init__(scramble=True, seed=seed)
        self._space, self._next = space, first

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        return self._space

    def _find_sample_id(self, study: Any, search_space: Any) -> int:
        self._next += 1
        return self._next - 1


def study_of(trials: Sequence[FrozenTrial]) -> optuna.Study:
    """Return a study in memory that has `trials`."""
    study = optuna.create_study(direction="minimize")
    study.add_trials(trials)
    return study
