"""Numbers that a user gives: one or a word, and those that may hold an array job's ``{task}``."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import click

from shoal.slurm.queue import MARK, filled


class OrWord(click.ParamType):  # type: ignore[type-arg]  # generic in new clicks alone
    """A whole number, or a word."""

    def __init__(self, word: str) -> None:
        self._word = word
        self.name = f"integer or {word}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == self._word or isinstance(value, int):
            return value
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor {self._word}.", param, ctx)


class Count(click.ParamType):  # type: ignore[type-arg]  # generic in new clicks alone
    """A whole number, which may be written as 1e9."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return value if isinstance(value, int) else int(value)
        except ValueError:
            pass
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not number.is_integer():
            self.fail(f"{value!r} is not a whole number, as 1000000 or 1e6.", param, ctx)
        return int(number)


class Numbered(click.ParamType):  # type: ignore[type-arg]  # generic in new clicks alone
    """A kind of values of which a text may hold ``{task}``."""

    def __init__(self, kind: Any) -> None:
        self._kind = click.types.convert_type(kind)
        self.name = self._kind.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = filled(value, os.environ) if isinstance(value, str) else value
        return self._kind.convert(text, param, ctx)


def numbered(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a TOML file, a seed with ``{task}`` as the number that it means."""
    seed = given.get("seed")
    if not isinstance(seed, str) or MARK not in seed:
        return dict(given)
    text = filled(seed, os.environ)
    return {**given, "seed": int(text) if text.isdecimal() else text}
