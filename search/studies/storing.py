"""Storing a study: a new file with the trials of a search, which Optuna and its dashboard open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from shoal.search import newfile
from shoal.search.request import Objective
from shoal.search.studies.journal import write_journal
from shoal.search.studies.memory import direction, quiet_optuna
from shoal.search.studies.places import JOURNAL, Place
from shoal.search.studies.relational import write_database

OBJECTIVE = "objective"
"""The name of a study's attribute: what was searched for, as in ``accuracy:max``."""


def store(
    storage: str, name: str, trials: Callable[[], Sequence[FrozenTrial]], goal: Objective
) -> int:
    """Write a study into a new file, whole or not at all; return how many trials it has.

    Args:
        storage: ``journal:FILE`` or ``sqlite:///FILE``.
        name: of the study.
        trials: returns what it gets, once it is known that the file can be made.
        goal: what was searched for.

    Raises:
        BadInput: the file is there already, or cannot be written.
    """

    def make(storage: BaseStorage) -> optuna.Study:
        study = optuna.create_study(
            storage=storage, study_name=name, direction=direction(goal.maximize)
        )
        study.set_user_attr(OBJECTIVE, str(goal))
        return study

    place = Place.parse(storage)
    newfile.check_new(place.file)
    write = write_journal if place.kind == JOURNAL else write_database
    found = trials()
    with quiet_optuna():
        newfile.written(place.file, lambda beside: write(beside, make, found))
    return len(found)
