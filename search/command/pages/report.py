"""``shoal report``: the page of a search, or of several, as a file."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import click

from shoal.search.errors import BadInput
from shoal.search.request import PathGiven, check_standing, shown
from shoal.search.watching import printable


@click.command()
@click.argument("folders", nargs=-1, required=True, type=PathGiven(), metavar="RUN...")
@click.option("--output", type=PathGiven(), help="The file.  [the folder's name, and .html, here]")
def report(folders: tuple[Path, ...], output: Path | None) -> None:
    """Write the page of a search: one HTML file, with figures.

    It needs no network, and opens from disk in any browser. Of several run folders the page
    compares the searches.
    """
    check_standing()
    from shoal.search.api import load
    from shoal.search.report import MARK, compared, document, sections

    names = [folder.resolve().name or "search" for folder in folders]
    file = Path(f"{'-'.join(names[:3])}.html") if output is None else output
    _check_free(file, MARK)
    results = [load(folder) for folder in folders]
    if len(results) == 1:
        page = document(f"{names[0]}, a search", sections(results[0]))
    else:
        page = document(f"{len(names)} searches compared", compared(results))
    _write(file, page)
    click.echo(printable(f"page    {shown(file.absolute())} ({len(page) / 1e6:.1f} MB)"))


def _check_free(file: Path, mark: str) -> None:
    """Raise BadInput where something is there that is no page."""
    if not file.parent.is_dir():
        raise BadInput(f"cannot write {file}: there is no folder {file.parent}")
    if file.is_dir():
        raise BadInput(f"{file} is a folder; name a file, as --output page.html")
    if file.exists():
        with suppress(OSError), open(file, encoding="utf-8", errors="replace") as handle:
            if mark in handle.read(500):
                return
        raise BadInput(f"{file} is there, and is no page of shoal; choose another --output")


def _write(file: Path, text: str) -> None:
    """Write a file whole, or not at all."""
    made = None
    try:
        handle, made = tempfile.mkstemp(prefix=f".{file.name[:50]}.", dir=file.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), 0o666 & ~_mask())
        os.replace(made, file)
    except OSError as error:
        if made is not None:
            with suppress(OSError):
                os.unlink(made)
        raise BadInput(f"cannot write {file}: {error.strerror}") from error


def _mask() -> int:
    """The mask of permissions of this process."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
