"""Options of the command line that may hold ``{task}``, the number of an array job's task."""

from __future__ import annotations

import os
from typing import Any

import click

from shoal.slurm.queue import filled


class Numbered(click.ParamType):  # type: ignore[type-arg]  # generic in new clicks alone
    """A kind of values of which a text may hold ``{task}``."""

    def __init__(self, kind: Any) -> None:
        self._kind = click.types.convert_type(kind)
        self.name = self._kind.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = filled(value, os.environ) if isinstance(value, str) else value
        return self._kind.convert(text, param, ctx)
