"""``shoal remove``: run folders, and nothing that shoal has not made."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shoal.search.command.runs.completing import RunGiven
from shoal.search.command.runs.outlook import Code, look
from shoal.search.command.terminal import moving, printed, size
from shoal.search.errors import BadInput, SearchError
from shoal.search.lock import writing
from shoal.search.process import streams
from shoal.search.watching import printable
from shoal.slurm import wire

if TYPE_CHECKING:  # torch takes seconds
    from shoal.search.folder import RunFolder

FILES = ("search.toml", "environment.json", "digests.json", "errors.log")
TABLES = ("trials.parquet", "curves.parquet")
FOLDERS = (
    *("parts", "packs", "problem", "parameters", "checkpoints", "logs", ".lock"),
    wire.SLURM_FOLDER,
)
"""What shoal makes in a run folder."""

PARAMETERS = re.compile(r"(trial-\d+\S*|r\d{6}-p\d{6}\.[0-9a-f]{16})\.safetensors")

SHOWN = 3
"""Names in a message."""


@click.command()
@click.argument("folders", type=RunGiven(), nargs=-1, required=True, metavar="RUN...")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(folders: tuple[Path, ...], yes: bool) -> int:
    """Remove run folders, after asking.

    None that a search is writing, none whose batch job runs or waits, and none that holds what
    shoal has not made.
    """
    with moving("looking at run folders"):
        told = [_checked(folder) for folder in folders]
    if not yes:
        if not sys.stdin.isatty():
            raise BadInput("nobody can be asked here; type --yes to remove without being asked")
        for line in told:
            streams.tell(printable(line))
        count = "it" if len(folders) == 1 else f"these {len(folders)} run folders"
        if not click.confirm(f"remove {count}?", err=True):
            streams.tell("nothing was removed")
            return 1
    for folder in folders:
        _removed(folder)
        printed(printable(f"removed {folder}"))
    return 0


def _checked(folder: Path) -> str:
    """Return what there is to say of a run folder that may be removed.

    Raises:
        BadInput: it may not.
    """
    if folder.is_symlink():
        raise BadInput(f"{folder} is a link; remove what it leads to, by its own name")
    from shoal.search.folder import RunFolder

    opened = RunFolder.open(folder)
    foreign = list(_foreign(opened))
    if foreign:
        names = ", ".join(foreign[:SHOWN]) + (", …" if len(foreign) > SHOWN else "")
        raise BadInput(f"{folder} holds what shoal has not made: {names}; move it away")
    _check_unused(folder)
    try:
        ended = f"{len(opened.trials()):,} of {opened.request.lanes:,} fits"
    except SearchError:  # damaged: that is a reason to remove it
        ended = "damaged"
    return f"{folder}: {ended}, {size(sum(sizes(folder)))}"


def _check_unused(folder: Path) -> None:
    """Check that nothing writes a run folder, or will.

    Raises:
        BadInput: something does, or that cannot be told.
    """
    writer = writing.writer(folder, writing.WATCH_SECONDS)
    if writer is not None and writer.lives is not False:
        how = "is in use, by" if writer.lives else "may be in use: no sign is seen of"
        raise BadInput(f"{folder} {how} {writer.name}; stop it first")
    if not (folder / wire.SLURM_FOLDER).exists():
        return
    seen = look(folder)
    code = seen.code(whole=False, begun=True)
    if code is Code.RUNNING:
        raise BadInput(f"{folder} is in use, by its batch job; shoal cancel {folder} ends it")
    if code is Code.UNKNOWN:
        raise BadInput(f"{folder} may be in use by its batch job: {seen.silent}")


def _foreign(folder: RunFolder) -> Iterator[str]:
    """What is in a run folder that shoal has not made."""
    from shoal.search.folder import ledger

    copies = {file.copy for file in folder.request.files if file.copy}
    for above, folders, names in os.walk(folder.path):
        place = Path(above).relative_to(folder.path)
        if place == Path():
            yield from (name for name in names if name not in (*FILES, *TABLES))
            yield from (f"{name}/" for name in folders if name not in FOLDERS)
            yield from (f"{name} (a link)" for name in folders if Path(above, name).is_symlink())
            continue
        for name in names:
            inner = place / name
            known = {
                "parts": place == Path("parts") and bool(ledger.PART.fullmatch(name)),
                "parameters": place == Path("parameters") and bool(PARAMETERS.fullmatch(name)),
                "problem": inner.relative_to(inner.parts[0]).as_posix() in copies,
            }
            if not known.get(inner.parts[0], True):
                yield str(inner)


def _removed(folder: Path) -> None:
    """Remove a run folder: out of its place first, so that no half of one is ever there.

    Raises:
        SearchError: the disk does not let it go.
    """
    beside = folder.with_name(f".{folder.name}.removed-{secrets.token_hex(4)}")
    try:
        folder.rename(beside)
        shutil.rmtree(beside)
    except OSError as error:
        left = f"; what is left of it is in {beside}" if beside.exists() else ""
        raise SearchError(f"cannot remove {folder}: {error.strerror}{left}") from error


def sizes(folder: Path) -> Iterator[int]:
    """The bytes of each file."""
    for above, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # it has just gone
                yield os.lstat(os.path.join(above, name)).st_size
