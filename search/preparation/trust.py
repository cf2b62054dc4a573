"""Whose code a run folder holds: what another user could have written runs only if you say so."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterable
from pathlib import Path

from shoal.search.errors import BadInput


def check(folder: Path, files: Iterable[Path], trusted: bool) -> None:
    """Check that going on with a run folder runs code of this user's own.

    A folder that a group may write to is taken as it is, since groups share folders so.

    Args:
        files: below it, what decides which code runs.
        trusted: whether the user has said that it may be another's.

    Raises:
        BadInput: another user's code would run.
    """
    if trusted:
        return
    me = os.geteuid()
    seen = dict.fromkeys(
        [folder, *(way for file in files for way in (*_above(file, folder), file))]
    )
    for path in seen:
        try:
            link, status = path.lstat(), path.stat()
        except OSError:
            continue  # told by whoever reads it
        if {link.st_uid, status.st_uid} != {me}:
            other = status.st_uid if status.st_uid != me else link.st_uid
            raise BadInput(
                f"{folder} would run code of user {_name(other)} as user {_name(me)} "
                f"({path} is theirs); look at {folder / 'problem'}, then add --trust "
                "(in Python trust=True)"
            )
        if stat.S_IMODE(status.st_mode) & stat.S_IWOTH:
            raise BadInput(
                f"{folder} would run code that anybody may have written ({path} is open to all); "
                f"look at {folder / 'problem'}, then add --trust (in Python trust=True)"
            )


def _above(file: Path, folder: Path) -> list[Path]:
    """The folders between a file and the run folder."""
    return [path for path in reversed(file.parents) if folder in path.parents]


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
