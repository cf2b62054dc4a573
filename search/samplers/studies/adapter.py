"""`RoundTPESampler`: the TPE of rounds as an Optuna sampler, for any Optuna study.

study = optuna.create_study(sampler=shoal.search.samplers.studies.adapter.RoundTPESampler(seed=0))
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from shoal.search.samplers import draw, round_seed
from shoal.search.space import Axis


class RoundTPESampler(BaseSampler):
    """Draws one trial at a time as `shoal.search.samplers.tpe` draws rounds.

    For studies of one objective, which Optuna may minimise or maximise. Pruned trials count as
    diverged, failed ones not at all. It keeps nothing from one trial to the next, so threads may
    share it; the seed, the trial's number and the trials that it sees decide what is drawn. What
    not all trials have is drawn by itself, from those that have it.
    """

    def __init__(self, seed: int | None = None) -> None:
        """Create the sampler; without a seed, one is drawn."""
        self._seed = random.getrandbits(31) if seed is None else seed

    def reseed_rng(self) -> None:
        """Draw another seed."""
        self._seed = random.SystemRandom().getrandbits(31)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the hyperparameters that all finished trials have."""
        return IntersectionSearchSpace(include_pruned=True).calculate(study)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a value of each.

        Raises:
            ValueError: the study has several objectives, or a trial has constraints.
        """
        self._raise_error_if_multi_objective(study)
        return self._draw(study, trial, search_space) if search_space else {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a value of a hyperparameter that not all trials have.

        Raises:
            ValueError: the study has several objectives, or a trial has constraints.
        """
        self._raise_error_if_multi_objective(study)
        return self._draw(study, trial, {param_name: param_distribution})[param_name]

    def _draw(
        self, study: Study, trial: FrozenTrial, space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        axes = [_axis(distribution) for distribution in space.values()]
        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        others = [
            other
            for other in study.get_trials(deepcopy=False, states=states)
            if other.number != trial.number
            and all(
                name in other.params and _holds(distribution, other.params[name])
                for name, distribution in space.items()
            )
        ]
        if any(other.constraints for other in others):
            raise ValueError(
                f"{type(self).__name__} takes no constraints (set_constraint, constraints_func): "
                "it would not look at them; use a sampler of Optuna's that does"
            )
        told = [other for other in others if other.state != TrialState.RUNNING]
        running = [other for other in others if other.state == TrialState.RUNNING]
        earlier = [
            numpy.array([_number(d, other.params[name]) for other in (*told, *running)])
            for name, d in space.items()
        ]
        points = numpy.stack(
            [axis.coordinates(column) for axis, column in zip(axes, earlier, strict=True)], axis=1
        )
        sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        loss = numpy.array(
            [
                sign * other.value
                if other.state == TrialState.COMPLETE and other.value is not None
                else numpy.inf
                for other in told
            ]
        )
        # hyperparameters drawn one by one are not to walk through one sequence in step
        seed = round_seed(self._seed, "/".join(space))
        drawn = draw(
            axes,
            points[: len(told)],
            loss,
            points[len(told) :],
            earlier,
            first=trial.number,
            count=1,
            seed=seed,
            round_seed=round_seed(seed, trial.number),
        )
        return {
            name: _value(distribution, column[0])
            for column, (name, distribution) in zip(drawn, space.items(), strict=True)
        }


def _axis(distribution: BaseDistribution) -> Axis:
    if isinstance(distribution, CategoricalDistribution):
        return Axis(choices=len(distribution.choices))
    if isinstance(distribution, IntDistribution | FloatDistribution):
        low, high, step = float(distribution.low), float(distribution.high), distribution.step
        if low == high:
            return Axis(choices=1)
        return Axis(low=low, high=high, log=distribution.log, step=float(step or 0.0))
    raise ValueError(f"{distribution!r} is none of Optuna's three distributions")


def _holds(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a value, perhaps of a trial with another range, is of this one."""
    if isinstance(distribution, CategoricalDistribution):
        return any(value is choice or value == choice for choice in distribution.choices)
    if isinstance(distribution, IntDistribution | FloatDistribution):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and distribution.low <= value <= distribution.high
    return False


def _number(distribution: BaseDistribution, value: Any) -> float:
    if isinstance(distribution, CategoricalDistribution):
        return float(distribution.to_internal_repr(value))
    single = isinstance(distribution, IntDistribution | FloatDistribution) and distribution.single()
    return 0.0 if single else float(value)


def _value(distribution: BaseDistribution, drawn: Any) -> Any:
    """Return what is drawn as Optuna has it: a Python value."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(drawn)]
    if isinstance(distribution, IntDistribution):
        return distribution.low if distribution.single() else int(drawn)
    if isinstance(distribution, FloatDistribution):
        return distribution.low if distribution.single() else float(drawn)
    raise ValueError(f"{distribution!r} is none of Optuna's three distributions")
