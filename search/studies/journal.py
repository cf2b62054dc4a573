"""A study written into a journal: Optuna's own operations, a line each, without a sync after each.

`JournalFileBackend` locks, writes and syncs for each operation, and Optuna then reads it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial


class _Lines(BaseJournalBackend):
    """Writes operations as `JournalFileBackend` does, into an open file.

    Attributes:
        heard: whether operations are read back, as a study and its first trial need it.
    """

    def __init__(self, out: TextIO) -> None:
        self.heard = True
        self._out = out
        self._logs: list[dict[str, Any]] = []

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        yield from self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = [json.dumps(log, separators=(",", ":")) + "\n" for log in logs]
        self._out.writelines(lines)
        if self.heard:
            self._logs += map(json.loads, lines)


def write_journal(
    file: Path, make: Callable[[BaseStorage], optuna.Study], trials: Sequence[FrozenTrial]
) -> None:
    """Write a study with these trials into a new journal.

    Args:
        make: makes the study in a storage.
    """
    with open(file, "w", encoding="utf-8") as out:
        lines = _Lines(out)
        study = make(JournalStorage(lines))
        study.add_trials(trials[:1])
        lines.heard = False
        study.add_trials(trials[1:])
