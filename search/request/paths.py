"""Paths that a user gives: each is made absolute before any of the user's code runs."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from shoal.search.errors import BadInput

GONE = "the folder where you stand is gone; go to another, by cd"


class GivenPath(type(Path())):  # type: ignore[misc]  # the kind of this system
    """An absolute path that messages show as the user would write it (``f"{path}"``).

    So are the paths that are made of it, by ``/`` say.
    """

    def __format__(self, spec: str) -> str:
        return format(shown(self), spec)


def given_path(name: str, given: Any) -> Path:
    """Return the path that a user means, absolute.

    ``~`` at its beginning is the home folder, and ``~NAME`` that of another user, from Python and
    TOML too, where no shell has seen it. Without a home folder, or such a user, it is refused: a
    folder of that very name is written ``./~NAME``.

    Args:
        name: of the argument, for the message.
        given: text or a ``Path``.

    Raises:
        BadInput: it is no path, or is relative to a folder that is gone.
    """
    text: Any = None
    with suppress(TypeError):
        text = os.fspath(given)
    if not isinstance(text, str) or "\0" in text:
        raise BadInput(f"{name} must be the path of a run folder, not {given!r}")
    path = at_home(name, text)
    try:
        return GivenPath(path.absolute())
    except OSError:
        raise BadInput(f"{name} {given}: {GONE}, or give an absolute path") from None


def check_standing() -> None:
    """Check that the process stands in a folder: torch's libraries end it where that is gone.

    Raises:
        BadInput: it does not.
    """
    try:
        os.getcwd()
    except OSError:
        raise BadInput(GONE) from None


def at_home(name: str, text: str) -> Path:
    """Return a path with ``~`` or ``~NAME`` replaced by that home folder; it may be relative.

    Raises:
        BadInput: there is no such user, or no home folder.
    """
    homeless = os.environ.get("HOME") == "" and text.partition("/")[0] == "~"
    full = text if homeless else os.path.expanduser(text)
    if full.startswith("~"):
        user = full[1:].partition("/")[0]
        why = f"there is no user {user}" if user else "you have no home folder"
        raise BadInput(f"{name} {text}: {why}; for a folder of that name write ./{text}")
    return Path(full)


def shown(path: Path) -> str:
    """Return a path as a message has it: from where the user stands, if it is below that."""
    try:
        here = os.getcwd()
    except OSError:
        here = ""
    if (module := sys.modules.get("shoal.trainable.process.standing")) is not None:
        here = module.home()  # a problem's code may have moved the process for a moment
    with suppress(ValueError):
        text = str(Path(path).relative_to(here or "/nowhere"))
        return f"./{text}" if text.startswith(("~", "-")) else text
    return str(path)


class PathGiven(click.ParamType):  # type: ignore[type-arg]  # older ones take no argument
    """An argument of the command line that is a path.

    Args:
        dash: whether ``-`` is standard output or input, and stays as it is.
        absolute: whether it is made so, since code of the user runs before it is used.
    """

    name = "path"

    def __init__(self, dash: bool = False, absolute: bool = True) -> None:
        self._dash, self._absolute = dash, absolute

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path."""
        if self._dash and str(value) == "-":
            return Path("-")
        name = "path" if param is None else param.human_readable_name
        if isinstance(param, click.Option):
            name = param.opts[0]
        return given_path(name, value) if self._absolute else at_home(name, str(value))
