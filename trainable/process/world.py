"""The working folder and import path of the process where a search began."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoal.trainable.modules import SHOAL_PATH, is_installed, path_read, path_written

_SCRIPTS = sysconfig.get_path("scripts")


@dataclass(frozen=True, kw_only=True)
class World:
    """A working folder, and the user's entries of an import path.

    Attributes:
        folder: absolute; empty where it is not known, and none is stood in.
        first, last: entries of ``sys.path`` before and after those of the interpreter, absolute.
    """

    folder: str = ""
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()

    @classmethod
    def here(cls) -> World:
        """Return those of this process, now."""
        folder = standing()
        first: dict[str, None] = {}
        last: dict[str, None] = {}
        mine = first
        for entry in entries():
            path = os.path.join(folder, entry)  # an empty entry is the working folder
            if _is_interpreters(path):
                mine = last
            elif os.path.isabs(path) and os.path.exists(path):
                mine[os.path.abspath(path)] = None
        return cls(folder=folder, first=tuple(first), last=tuple(e for e in last if e not in first))

    @property
    def gone(self) -> bool:
        """Whether its folder no longer exists or cannot be entered."""
        return bool(self.folder) and not os.access(self.folder, os.X_OK)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as TOML has them."""
        paths = {"first": self.first, "last": self.last}
        return {"folder": path_written(self.folder)} | {
            name: [path_written(path) for path in some] for name, some in paths.items() if some
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> World:
        """The inverse of `as_dict`.

        Raises:
            TypeError, ValueError, AttributeError: it is none.
        """
        first, last = ([path_read(path) for path in plain.get(n, ())] for n in ("first", "last"))
        folder = path_read(plain.get("folder", ""))
        if not all(os.path.isabs(path) for path in (*first, *last, folder or "/")):
            raise ValueError("paths of `began` must be absolute")
        return cls(folder=folder, first=tuple(first), last=tuple(last))


def standing() -> str:
    """Return the working folder of the process; empty if it no longer exists."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def entries() -> list[str]:
    """Return the entries of ``sys.path`` that are text; others belong to import hooks."""
    return [entry for entry in sys.path if isinstance(entry, str)]


def _is_interpreters(entry: str) -> bool:
    """Whether an entry of ``sys.path`` belongs to Python, a virtual environment or shoal."""
    return (
        is_installed(entry)
        or entry == _SCRIPTS
        or re.fullmatch(r"python\d+\.zip", os.path.basename(entry)) is not None
        or os.path.realpath(entry) == SHOAL_PATH
    )
