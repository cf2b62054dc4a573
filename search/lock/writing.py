"""Finds out who writes a run folder, without taking the lock or changing anything."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoal.search.lock.held import LOCKS, number_of
from shoal.search.process import processes
from shoal.slurm.files import read_plain

WATCH_SECONDS = 5.0
"""How long a writer on another host is looked at: it beats every two seconds."""

LOOK_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Writer:
    """The last process that wrote a run folder and did not release its lock.

    Attributes:
        name: for the user.
        lives: whether it runs; None: it is on another host and gave no sign for a while.
    """

    name: str
    lives: bool | None


def writer(folder: Path, watch: float) -> Writer | None:
    """Return who writes a run folder; None: the last writer has ended in good order.

    Args:
        watch: seconds for which one on another host is looked at.
    """
    place, name = _last(folder / LOCKS)
    if place is None:
        return None
    owner = read_plain(place / (f"{name}.json" if name else "owner.json"))
    if owner is None or not isinstance(said := _parsed(owner), dict) or "process" not in said:
        return None
    process, host = said.get("process"), said.get("host")
    if isinstance(process, int) and said.get("machine") == processes.machine() is not None:
        began = processes.began(process)
        lives = began is not None and began == said.get("since")
        return Writer(name=f"process {process} on this machine", lives=lives)
    beat = place / (f"{name}.beat" if name else "beat")
    return Writer(name=f"process {process} on {host}", lives=_beats(beat, watch) or None)


def _last(locks: Path) -> tuple[Path | None, str]:
    """Return the folder of the last writer, and its name."""
    found = []
    with suppress(OSError):
        for entry in locks.iterdir():
            if (last := number_of(entry.name)) is not None:
                found.append((*last, entry))
    if not found:
        return None, ""
    _, name, place = max(found)
    return place, name


def _beats(file: Path, watch: float) -> bool:
    """Whether the heartbeat changes within `watch` seconds."""
    before, until = read_plain(file), time.monotonic() + watch
    while before is not None and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        now = read_plain(file)
        if now is not None and now != before:
            return True
    return False


def _parsed(text: bytes) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return None
