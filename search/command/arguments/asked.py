"""What is asked of a search: typed, and in a TOML file of the same settings."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shoal.search.command.arguments.numbered import numbered
from shoal.search.command.arguments.options import of_settings
from shoal.search.command.runs import complete_problem
from shoal.search.errors import BadInput
from shoal.search.request import OF_TABLE, PathGiven

if TYPE_CHECKING:
    from shoal.search.request import Asked

TRACK = "track"
"""A setting that a TOML file may have, though it decides no table."""


def of_a_search(command: Any) -> Any:
    """Give a command the argument and the options of all that decides a table."""
    space = (
        "LOW:HIGH[:STEP][:int][:log], a,b,c or one value, and if CONDITION. Again for each "
        "hyperparameter."
    )
    config = "TOML file of the same settings; the command line wins."
    for option in (
        click.option("--config", type=PathGiven(), help=config),
        of_settings(OF_TABLE),
        click.option("--space", multiple=True, metavar="NAME=VALUES", help=space),
        click.argument("problem", required=False, shell_complete=complete_problem),
    ):
        command = option(command)
    return command


def asked_of(
    problem: str | None, space: Sequence[str], config: Path | None, settings: Mapping[str, Any]
) -> Asked:
    """Return what a TOML file asks for, and the command line, which wins."""
    from shoal.search.request import Asked
    from shoal.search.space import parse_assignments

    given = {name: value for name, value in settings.items() if value is not None}
    typed = Asked.of({**given, "problem": problem} if problem is not None else given)
    if space:
        typed = replace(typed, space=parse_assignments(space))
    read = {} if config is None else numbered(_read(config))
    return typed.over(Asked.of({name: value for name, value in read.items() if name != TRACK}))


def tracked_of(config: Path | None, typed: Sequence[str] | None) -> Any:
    """Return the trackers that are typed, else those of a TOML file; None: none."""
    return typed or (None if config is None else _read(config).get(TRACK))


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise BadInput(f"{file} is not TOML: {error}") from error
    except RecursionError as error:
        raise BadInput(f"{file} is not TOML: nested too deep") from error
