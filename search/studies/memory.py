"""A study in memory that has the trials of a search."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial

from shoal.search.process import quiet


class _Given(FrozenTrial):
    """A trial that is given away: Optuna's storages copy what they are given, which takes most of
    the time; of this one the copy has what it had."""

    def __init__(self, trial: FrozenTrial) -> None:
        self.__dict__ = trial.__dict__

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenTrial:
        copied = FrozenTrial.__new__(FrozenTrial)
        copied.__dict__ = self.__dict__
        return copied


def study_of(trials: Sequence[FrozenTrial], maximize: bool = False) -> optuna.Study:
    """Return a study in memory that has `trials`, which are its own then.

    Args:
        maximize: whether larger values are better.
    """
    with quiet_optuna():
        study = optuna.create_study(direction=direction(maximize))
        study.add_trials(_Given(trial) for trial in trials)
    return study


def direction(maximize: bool) -> Literal["minimize", "maximize"]:
    """Return Optuna's word."""
    return "maximize" if maximize else "minimize"


def quiet_optuna() -> Any:
    """Let Optuna tell of warnings alone meanwhile, or of less, as the user has it."""
    return quiet("optuna", max(logging.WARNING, logging.getLogger("optuna").level))
