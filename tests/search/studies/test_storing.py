"""A stored study is, row by row and line by line, what Optuna's own `add_trials` stores."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial

from shoal.search.errors import BadInput
from shoal.search.request import Objective
from shoal.search.studies import store, study_of
from shoal.search.studies.places import rdb
from shoal.search.studies.relational import COLUMNS, add_all, write_database

LOSS = Objective()


def by_optuna(storage: BaseStorage, trials: Sequence[FrozenTrial]) -> None:
    """Store them as Optuna does."""
    study = optuna.create_study(storage=storage, study_name="mine", direction="minimize")
    study.set_user_attr("objective", "loss:min")
    study.add_trials(trials)


def plain(trial: FrozenTrial) -> dict[str, str]:
    """What a trial has, its NaN too; a database keeps no order of names."""
    return {
        name: repr(sorted(value.items()) if isinstance(value, dict) else value)
        for name, value in vars(trial).items()
        if name != "_trial_id"
    }


def dump(file: Path) -> dict[str, list[Any]]:
    """All rows of a database, but for the version of Optuna."""
    with closing(sqlite3.connect(file)) as opened:
        names = [n for (n,) in opened.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        return {name: opened.execute(f"SELECT * FROM {name}").fetchall() for name in sorted(names)}


def test_a_database_has_the_rows_that_optuna_stores(tmp_path: Path, searched: Any) -> None:
    """Every table, every column, every row."""
    store(f"sqlite:///{tmp_path}/ours.db", "mine", searched.trials, LOSS)
    by_optuna(rdb(tmp_path / "theirs.db"), searched.trials())
    ours, theirs = dump(tmp_path / "ours.db"), dump(tmp_path / "theirs.db")
    assert ours == theirs
    assert all(len(ours[name]) >= 4 for name in COLUMNS)
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["ours.db", "theirs.db"]


def test_a_journal_has_the_lines_that_optuna_writes(tmp_path: Path, searched: Any) -> None:
    """But for the name of the process that has written them."""
    store(f"journal:{tmp_path}/ours.log", "mine", searched.trials, LOSS)
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "theirs.log"))
    by_optuna(optuna.storages.JournalStorage(backend), searched.trials())
    ours, theirs = (
        [
            {**json.loads(line), "worker_id": ""}
            for line in (tmp_path / f"{name}.log").read_text().splitlines()
        ]
        for name in ("ours", "theirs")
    )
    assert repr(ours) == repr(theirs)
    assert len(ours) == 2 + 5


@pytest.mark.parametrize("kind", ["sqlite:///", "journal:"])
def test_optuna_reads_back_the_trials_of_the_search(
    tmp_path: Path, searched: Any, kind: str
) -> None:
    """Each of its parts equals that of the study in memory."""
    file = tmp_path / "a b{x}?%20#.store"  # a path is no address
    assert store(f"{kind}{file}", "mine", searched.trials, LOSS) == 5
    storage = (
        rdb(file, read=True)
        if kind == "sqlite:///"
        else optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(file)))
    )
    read = optuna.load_study(study_name="mine", storage=storage)
    kept = study_of(searched.trials())
    assert read.directions == kept.directions
    assert list(map(plain, read.trials)) == list(map(plain, kept.trials))
    assert read.best_trial.number == kept.best_trial.number == 1


def test_into_other_tables_than_those_known_optuna_adds_the_trials(
    tmp_path: Path, searched: Any
) -> None:
    """A column more, as of a later version: nothing is guessed."""

    def make(storage: BaseStorage) -> optuna.Study:
        study = optuna.create_study(storage=storage, study_name="mine")
        with closing(sqlite3.connect(tmp_path / "x.db")) as opened:
            opened.execute("ALTER TABLE trials ADD COLUMN later TEXT")
            opened.commit()
        assert isinstance(storage, RDBStorage)
        assert not add_all(storage, study, searched.trials())
        return study

    write_database(tmp_path / "x.db", make, searched.trials())
    read = optuna.load_study(study_name="mine", storage=rdb(tmp_path / "x.db"))
    assert list(map(plain, read.trials)) == list(map(plain, study_of(searched.trials()).trials))


@pytest.mark.parametrize("kind", ["sqlite:///", "journal:"])
def test_nothing_is_overwritten_and_a_failure_leaves_nothing(
    tmp_path: Path, searched: Any, kind: str
) -> None:
    """What is there is told before a trial is made, and stays; what fails leaves no file."""
    there = tmp_path / "there.db"
    there.write_text("mine")
    with pytest.raises(BadInput, match=r"there\.db is there already; choose another name"):
        store(f"{kind}{there}", "mine", lambda: pytest.fail("made"), LOSS)
    with pytest.raises(BadInput, match="there is no folder"):
        store(f"{kind}{tmp_path}/no/x.db", "mine", searched.trials, LOSS)
    broken = searched.trials()
    broken[3].user_attrs["states"] = {1}  # which JSON does not have
    with pytest.raises(TypeError, match="JSON"):
        store(f"{kind}{tmp_path}/x.db", "mine", lambda: broken, LOSS)
    assert there.read_text() == "mine"
    assert [file.name for file in tmp_path.iterdir()] == ["there.db"]


@pytest.mark.parametrize("storage", ["x.db", "postgresql://host/db", "sqlite:///", "sqlite://x.db"])
def test_another_storage_is_told_in_a_line(storage: str, searched: Any) -> None:
    """The two kinds that are known, and an example."""
    with pytest.raises(BadInput, match=r"neither journal:FILE nor sqlite:///FILE, as in sqlite"):
        store(storage, "mine", searched.trials, LOSS)


@pytest.mark.parametrize("level", [logging.DEBUG, logging.ERROR])
def test_the_users_verbosity_is_kept(
    tmp_path: Path, searched: Any, caplog: pytest.LogCaptureFixture, level: int
) -> None:
    """Optuna says nothing meanwhile, and as much as before afterwards."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(level)
    try:
        store(f"sqlite:///{tmp_path}/x.db", "mine", searched.trials, LOSS)
        study_of(searched.trials())
        assert optuna.logging.get_verbosity() == level
    finally:
        optuna.logging.set_verbosity(before)
    assert caplog.records == []
