"""A study written into a database of SQLite: whole columns of rows, into tables that Optuna made.

Optuna adds one trial at a time and asks the database of each of its numbers before it writes it.
What is written here is what it writes, as of the version of its tables that is named below; into
tables of any other version the trials are added by Optuna, one by one.
"""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy import MetaData, insert
from sqlalchemy.exc import DBAPIError

from shoal.search.studies.places import rdb

VERSION = "v3.2.0.a"
"""Of Optuna's tables (its `RDBStorage.get_head_version`): optuna 3.2 to 5.0."""

COLUMNS = {
    "trials": "trial_id number study_id state datetime_start datetime_complete",
    "trial_values": "trial_value_id trial_id objective value value_type",
    "trial_params": "param_id trial_id param_name param_value distribution_json",
    "trial_user_attributes": "trial_user_attribute_id trial_id key value_json",
    "trial_intermediate_values": (
        "trial_intermediate_value_id trial_id step intermediate_value intermediate_value_type"
    ),
}
"""The tables that are written, and their columns in that version."""

CHUNK = 1 << 14
"""Rows that are in memory at a time."""

Row = dict[str, Any]


def write_database(
    file: Path, make: Callable[[BaseStorage], optuna.Study], trials: Sequence[FrozenTrial]
) -> None:
    """Write a study with these trials into a new database.

    Args:
        make: makes the study in a storage.

    Raises:
        OSError: the disk does not take it.
    """
    try:
        storage = rdb(file)
        try:
            study = make(storage)
            if not add_all(storage, study, trials):
                study.add_trials(trials)
        finally:
            storage.remove_session()
            storage.engine.dispose()
    except (DBAPIError, StorageInternalError) as error:
        raise OSError(errno.EIO, str(error.__cause__ or error)) from error


def add_all(storage: RDBStorage, study: optuna.Study, trials: Sequence[FrozenTrial]) -> bool:
    """Add finished trials, of one objective and without system attributes, to the only study of a
    database, which has none yet.

    Returns:
        whether they are there: not where Optuna's tables are of another version.
    """
    tables = MetaData()
    tables.reflect(storage.engine)
    there = {name: " ".join(table.columns.keys()) for name, table in tables.tables.items()}
    if storage.get_current_version() != VERSION or not COLUMNS.items() <= there.items():
        return False
    rows: dict[str, Iterator[Row]] = {
        "trials": _trials(trials, storage.get_study_id_from_name(study.study_name)),
        "trial_values": _values(trials),
        "trial_params": _params(trials),
        "trial_user_attributes": _attributes(trials),
        "trial_intermediate_values": _reports(trials),
    }
    with storage.engine.begin() as connection:
        for name, each in rows.items():
            statement = insert(tables.tables[name])
            while chunk := list(islice(each, CHUNK)):
                connection.execute(statement, chunk)
    return True


def _trials(trials: Sequence[FrozenTrial], study: int) -> Iterator[Row]:
    for number, trial in enumerate(trials):
        yield {
            "trial_id": number + 1,
            "number": number,
            "study_id": study,
            "state": trial.state.name,
            "datetime_start": _utc(trial.datetime_start),
            "datetime_complete": _utc(trial.datetime_complete),
        }


def _values(trials: Sequence[FrozenTrial]) -> Iterator[Row]:
    for number, trial in enumerate(trials, 1):
        if trial.value is not None:
            value, kind = _stored(trial.value)
            yield {"trial_id": number, "objective": 0, "value": value, "value_type": kind}


def _params(trials: Sequence[FrozenTrial]) -> Iterator[Row]:
    texts: dict[int, tuple[BaseDistribution, str]] = {}  # trials share theirs
    for number, trial in enumerate(trials, 1):
        for name, value in trial.params.items():
            distribution = trial.distributions[name]
            if id(distribution) not in texts:
                texts[id(distribution)] = distribution, distribution_to_json(distribution)
            yield {
                "trial_id": number,
                "param_name": name,
                "param_value": distribution.to_internal_repr(value),
                "distribution_json": texts[id(distribution)][1],
            }


def _attributes(trials: Sequence[FrozenTrial]) -> Iterator[Row]:
    for number, trial in enumerate(trials, 1):
        for key, value in trial.user_attrs.items():
            yield {"trial_id": number, "key": key, "value_json": json.dumps(value)}


def _reports(trials: Sequence[FrozenTrial]) -> Iterator[Row]:
    for number, trial in enumerate(trials, 1):
        for step, reported in trial.intermediate_values.items():
            value, kind = _stored(reported)
            yield {
                "trial_id": number,
                "step": step,
                "intermediate_value": value,
                "intermediate_value_type": kind,
            }


def _stored(value: float) -> tuple[float | None, str]:
    """A number and its kind: what is not finite is null, and its kind says what it is."""
    if math.isfinite(value):
        return value, "FINITE"
    return None, "NAN" if math.isnan(value) else "INF_POS" if value > 0 else "INF_NEG"


def _utc(local: datetime | None) -> datetime | None:
    """A local time as Optuna stores it."""
    return None if local is None else local.astimezone(UTC).replace(tzinfo=None)
