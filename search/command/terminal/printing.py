"""Printing what a command was asked for."""

from __future__ import annotations

import click

from shoal.search.errors import SearchError
from shoal.search.process import streams


def printed(text: str, besides: str = "") -> None:
    """Print what was asked for.

    Raises:
        BrokenPipeError: its reader has gone.
        SearchError: it cannot be printed; the line ends with `besides`.
    """
    try:
        click.echo(text, file=streams.output())
    except BrokenPipeError:
        raise
    except OSError as error:
        why = f"cannot write to standard output: {error.strerror}"
        raise SearchError(f"{why}{besides}") from error
