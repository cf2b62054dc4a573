"""Where a study is stored: a file, of which Optuna makes and reads two kinds.

journal:FILE    a journal, as ``JournalFileBackend`` has it: a line of JSON for each operation
sqlite:///FILE  a database of SQLite, as ``RDBStorage`` has it; ``sqlite:////FILE`` is absolute
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from shoal.search.errors import BadInput
from shoal.search.request import given_path

JOURNAL, SQLITE = "journal:", "sqlite:///"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A file for studies.

    Attributes:
        kind: `JOURNAL` or `SQLITE`; file: absolute.
    """

    kind: str
    file: Path

    @classmethod
    def parse(cls, text: str) -> Place:
        """Return the place that ``journal:FILE`` or ``sqlite:///FILE`` says.

        Raises:
            BadInput: it says neither.
        """
        for kind in (JOURNAL, SQLITE):
            if text.startswith(kind) and (name := text.removeprefix(kind)):
                return cls(kind=kind, file=given_path("storage", name))
        raise BadInput(
            f"storage {text!r} is neither journal:FILE nor sqlite:///FILE, as in sqlite:///x.db"
        )

    def __str__(self) -> str:
        return f"{self.kind}{self.file}"

    def there(self) -> BaseStorage:
        """Return the storage in a file that is there; nothing is written to it.

        Raises:
            BadInput: it is not there, or is no storage of this kind.
        """
        if not self.file.is_file():
            raise BadInput(f"{self.file} is no file; give a storage that Optuna has made")
        if self.kind == JOURNAL:
            with _read(self):
                return JournalStorage(JournalFileBackend(str(self.file)))
        with _read(self):
            check_optuna(self.file)
            return rdb(self.file, read=True)


def rdb(file: Path, read: bool = False) -> RDBStorage:
    """Return Optuna's storage in a file of SQLite, which it makes if nothing is there.

    The file is opened by its path, since in an address some characters mean something else.

    Args:
        read: whether it is there, and is read alone.
    """
    mode = "ro" if read else "rwc"
    connect = partial(
        sqlite3.connect, f"file:{quote(str(file))}?mode={mode}", uri=True, check_same_thread=False
    )
    return RDBStorage(
        "sqlite:///study.db",  # which `creator` does not look at
        engine_kwargs={"creator": connect},
        skip_table_creation=read,
    )


def check_optuna(file: Path) -> None:
    """Check that a file is a database with Optuna's tables.

    Raises:
        BadInput: it has others. sqlite3.Error: it is none.
    """
    opened = sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)
    try:
        tables = {name for (name,) in opened.execute("SELECT name FROM sqlite_master")}
    finally:
        opened.close()
    if not tables >= {"studies", "trials", "alembic_version"}:
        raise BadInput(f"{file} has no studies of Optuna: it is another database")


@contextmanager
def _read(place: Place) -> Iterator[None]:
    """Tell in a line what is wrong with a file that is no storage: Optuna, SQLAlchemy and sqlite3
    have many words for it."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(f"{place.file} cannot be read as {place.kind}FILE: {why[:200]}") from error
