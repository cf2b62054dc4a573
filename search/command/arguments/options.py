"""Options of the command line, made from the table of settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from shoal.search.command.arguments.numbered import Count, Numbered, OrWord
from shoal.search.errors import BadInput
from shoal.search.request import ALL, PathGiven, Setting
from shoal.slurm import wire

TYPES: dict[str, Any] = {
    "integer": int,
    "number": float,
    "text": str,
    "duration": str,
    "path": PathGiven(),
    "many": OrWord(ALL),
    "amount": float,
    "size": str,
    "patterns": str,
    "pruner": str,
    "count": Count(),
}

SEVERAL = {"ends": "END", "points": "NAME=VALUE,...", "paths": "FOLDER", "texts": None}
"""Kinds of which there may be several, with what stands in the help for one."""

NUMBERED = ("seed", "out")
"""Those in which ``{task}`` is the number of an array job's task."""

ENVIRONMENT = {"out": wire.OUT_VARIABLE}
"""Set by a batch job, so that search and job share a folder."""


class Chosen(click.Choice):  # type: ignore[type-arg]  # generic in new clicks alone
    """One of a setting's choices; the message of a wrong one is the setting's own."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting.choices)
        self._setting = setting

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        self._setting.check(value)
        return value


def of_settings(settings: Sequence[Setting]) -> Callable[..., Any]:
    """Return a decorator that gives a command an option for each setting."""

    def decorate(command: Any) -> Any:
        for setting in reversed(settings):
            command = _option(setting)(command)
        return command

    return decorate


def _option(setting: Setting) -> Any:
    text = f"{setting.help}  [{setting.default_text}]"
    if setting.kind == "flag":
        return click.option(setting.option, setting.name, is_flag=True, help=setting.help)
    if setting.kind == "patterns":
        return click.option(
            setting.option,
            setting.name,
            multiple=True,
            callback=_patterns,
            metavar="NAME=REGEX",
            help=text,
        )
    if setting.kind in SEVERAL:
        return click.option(
            setting.option,
            setting.name,
            multiple=True,
            callback=_several,
            metavar=SEVERAL[setting.kind],
            help=text,
        )
    kind = Chosen(setting) if setting.choices else TYPES[setting.kind]
    return click.option(
        setting.option,
        setting.name,
        type=Numbered(kind) if setting.name in NUMBERED else kind,
        default=setting.default if setting.group == "run" else None,
        envvar=ENVIRONMENT.get(setting.name),
        help=text,
    )


def _several(
    context: click.Context, option: click.Parameter, given: Sequence[str]
) -> tuple[str, ...] | None:
    """Texts; None: there are none."""
    return tuple(given) or None


def _patterns(
    context: click.Context, option: click.Parameter, given: Sequence[str]
) -> dict[str, str] | None:
    """Patterns by name; None: there are none."""
    found = {}
    for text in given:
        name, equals, pattern = text.partition("=")
        if not (equals and name.isidentifier() and pattern):
            raise BadInput(f"--read {text}: write NAME=REGEX, as loss='loss: ([0-9.e+-]+)'")
        found[name] = pattern
    return found or None
