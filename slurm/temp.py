"""A job's temp folder on one node: closed to others, short, gone at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

LONGEST_TEMP = 43
"""Bytes of Ray's temp folder that leave room for its sockets in the 107 that Linux allows."""


def make(job: str) -> Path:
    """Make a closed folder on this node's own disk, short enough for Ray's sockets.

    Ray opens its temp folder and all below it to everybody, so it gets one inside.
    """
    parent = Path(tempfile.gettempdir())
    name = f"shoaljob-{job[-10:]}-{os.getpid()}-"
    if len(os.fsencode(parent)) + len(name) + 11 > LONGEST_TEMP:
        parent = Path("/tmp")
    return Path(tempfile.mkdtemp(prefix=name, dir=parent))


def remove_left_over() -> None:
    """Remove what jobs of this user left on this node because they were killed."""
    for parent in {Path(tempfile.gettempdir()), Path("/tmp")}:
        for old in parent.glob("shoaljob-*-*-*"):
            pid = old.name.split("-")[-2]
            with suppress(OSError):
                mine = old.stat().st_uid == os.getuid()
                if mine and pid.isdigit() and not Path("/proc", pid).exists():
                    shutil.rmtree(old, ignore_errors=True)
