"""The folder that a call keeps its checkpoint in, and how it outlives the process.

    checkpoints/TRIAL-REPLICATE/   one fit's
        attempt-N/                 what attempt N writes in
        saved-N-K/                 the K-th commit of attempt N, whole
            files/                 a copy of what was in attempt-N/
            reports.json           the reports until then, and the seconds that they took

A commit is copied beside its place, synced, and renamed into it, so that it is whole or absent. An
attempt takes its number by making its folder, and begins with the last commit. Once there is a
later attempt, an earlier one commits nothing more.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from shoal.trainable.functions.reports import Report

FOLDER = "checkpoints"

FILES, REPORTS = "files", "reports.json"

_ATTEMPT = re.compile(r"attempt-(\d+)")
_SAVED = re.compile(r"saved-(\d+)-(\d+)")
_NEW = ".new-"

Stamp = dict[str, tuple[int, int, int]]


class Unsaved(Exception):
    """The disk does not take a checkpoint; the message is one line."""


class Superseded(Exception):
    """A later attempt at the same fit has begun."""


def place_of(trial: int, replicate: int) -> str:
    """The name of a fit's folder."""
    return f"{trial}-{replicate}"


def committed(place: Path) -> Path | None:
    """Return the last commit of a fit, or None."""
    found = [
        ((int(match[1]), int(match[2])), name)
        for name in _names(place)
        if (match := _SAVED.fullmatch(name))
    ]
    return place / max(found)[1] if found else None


def files_of(place: Path) -> Path | None:
    """Return the folder with the files of a fit's last commit, or None."""
    saved = committed(place)
    return None if saved is None else saved / FILES


class Saving:
    """The checkpoint folder of one attempt at a fit.

    Attributes:
        folder: where the call writes.
        told: the reports of the commit that it begins with.
        done: whether the call had ended there.
        before: seconds that it took until then.
    """

    def __init__(self, place: Path) -> None:
        """Begin an attempt, with a copy of the last commit.

        Raises:
            OSError: the disk does not take it.
        """
        self._place = place
        place.mkdir(parents=True, exist_ok=True)
        self.number = self._begin()
        self.folder = place / f"attempt-{self.number}"
        self._commits = 0
        self.told: list[Report] = []
        self.done, self.before = False, 0.0
        self._began = time.monotonic()
        if (saved := committed(place)) is not None:
            held = json.loads((saved / REPORTS).read_text(encoding="utf-8"))
            self.told = [Report(step=step, values=values) for step, values in held["reports"]]
            self.done, self.before = bool(held["done"]), float(held["seconds"])
            shutil.copytree(saved / FILES, self.folder, symlinks=True, dirs_exist_ok=True)
        self._stamp = stamp(self.folder)
        for name in _names(place):
            if (match := _ATTEMPT.fullmatch(name)) and int(match[1]) < self.number:
                shutil.rmtree(place / name, ignore_errors=True)

    def _begin(self) -> int:
        while True:
            number = self._latest() + 1
            with suppress(FileExistsError):  # another attempt was quicker
                (self._place / f"attempt-{number}").mkdir()
                return number

    def _latest(self) -> int:
        matches = [_ATTEMPT.fullmatch(n) or _SAVED.fullmatch(n) for n in _names(self._place)]
        return max((int(match[1]) for match in matches if match), default=-1)

    def commit(self, reports: Sequence[Report], *, done: bool = False, quiet: bool = True) -> bool:
        """Save the folder and the reports if it has changed; return whether that was done.

        Args:
            done: whether the call has ended.
            quiet: whether nothing writes meanwhile; else a copy during which something has is
                given up.

        Raises:
            Superseded: there is a later attempt.
            OSError: the disk does not take it.
        """
        now = stamp(self.folder)
        if now == self._stamp:
            return False
        if self._latest() > self.number:
            raise Superseded
        self._commits += 1
        name = f"{self.number}-{self._commits}"
        new = self._place / f"{_NEW}{name}"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        try:
            shutil.copytree(self.folder, new / FILES, symlinks=True)
        except (OSError, shutil.Error):
            shutil.rmtree(new, ignore_errors=True)
            if quiet:
                raise
            return False
        if not quiet and stamp(self.folder) != now:
            shutil.rmtree(new, ignore_errors=True)
            return False
        seconds = self.before + time.monotonic() - self._began
        told = [[report.step, dict(report.values)] for report in reports]
        text = json.dumps({"reports": told, "done": done, "seconds": seconds})
        (new / REPORTS).write_text(text, encoding="utf-8")
        _sync(new)
        if self._latest() > self.number:
            shutil.rmtree(new, ignore_errors=True)
            raise Superseded
        saved = self._place / f"saved-{name}"
        new.rename(saved)
        _sync_entry(self._place)
        self._stamp = now
        for other in _names(self._place):
            if (_SAVED.fullmatch(other) or other.startswith(_NEW)) and other != saved.name:
                shutil.rmtree(self._place / other, ignore_errors=True)
        return True

    def end(self) -> None:
        """Remove what the attempt wrote in; commits stay."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):
            self._place.rmdir()  # where nothing was ever committed


def stamp(folder: Path) -> Stamp:
    """Return what tells whether anything in a folder has changed: of each entry, its size, when it
    was written and which file it is."""
    found: Stamp = {}
    for path in _walk(folder):
        with suppress(FileNotFoundError):
            status = os.lstat(path)
            size = 0 if os.path.isdir(path) else status.st_size
            when = 0 if os.path.isdir(path) else status.st_mtime_ns
            found[os.path.relpath(path, folder)] = size, when, status.st_ino
    return found


def _walk(folder: Path) -> Iterator[str]:
    for top, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield os.path.join(top, name)


def _sync(folder: Path) -> None:
    """Wait until all files below a folder, and their names, are on disk."""
    for path in _walk(folder):
        if os.path.isfile(path) and not os.path.islink(path):
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        elif os.path.isdir(path) and not os.path.islink(path):
            _sync_entry(path)
    _sync_entry(folder)


def _sync_entry(folder: Any) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _names(place: Path) -> list[str]:
    try:
        return os.listdir(place)
    except FileNotFoundError:
        return []
