"""The code of a search that goes on: whether it is that with which it began, and whose it is."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from shoal.search.errors import BadInput, RunFolderError, SearchError
from shoal.search.folder import PROBLEM, RunFolder, ledger
from shoal.search.preparation.calls import source_of_program
from shoal.search.request import PROGRAM, STUDY
from shoal.trainable.errors import TrainableError
from shoal.trainable.functions import Command
from shoal.trainable.memory import Generated
from shoal.trainable.modules import File, path_read
from shoal.trainable.problems import PROBLEMS, Source, changed, installed, lying_now, other_now
from shoal.trainable.process import World


def source_of(
    folder: RunFolder,
    named: bool,
    trust: bool,
    runs: bool | None = None,
    generated: Generated | None = None,
    more: bool = False,
) -> Source:
    """Return the source of a folder's problem, every copy read and checked, none executed.

    Args:
        named: whether the user has named the problem again, and so means it as it is now.
        trust: whether the code may be another user's.
        runs: whether it is to run; None: where the search is not whole.
        generated: the problem as it is named, where it is a class in memory.
        more: whether the search is to have more than the folder holds, so that it is not whole.

    Raises:
        BadInput: it is not what was named, or another user could have written it.
        RunFolderError: a copy is missing, or not what was written.
    """
    ways = "; choose another --out" if runs is None else ", which alone fits its trials again"
    check_own(folder)
    runs = (more or not folder.whole) if runs is None else runs
    source = folder.source()
    if source is None:
        named_class = folder.request.problem not in PROBLEMS  # and what it is called with
        if named_class and runs:
            _check_trust(folder.path, _decisive(folder), trust)
        return _installed(folder, ways)
    if named:
        now = _compared(folder, generated)
        moved = now != source.files or source.world.gone
        source = replace(source, files=now, world=World.here() if moved else source.world)
    try:
        source.check()
        if runs:
            files = [folder.path / PROBLEM / file.copy for file in source.files if file.copy]
            _check_trust(folder.path, [*_decisive(folder), *files], trust)
    except TrainableError as error:
        raise unreadable(error, source) from error
    except SearchError:
        source.release()
        raise
    return source


def check_owner(folder: RunFolder, files: list[Path], trust: bool) -> None:
    """Check that code is this user's own, where a folder's ``search.toml`` says that it runs.

    Raises:
        BadInput: it may be another's.
    """
    _check_trust(folder.path, [*_decisive(folder), *files], trust)


def check_own(folder: RunFolder) -> None:
    """Check that shoal can make trials of a folder.

    Raises:
        BadInput: they are those of a study that was imported.
    """
    if folder.request.kind == STUDY:
        raise BadInput(
            f"{folder.path} holds the study {folder.request.problem!r}, which was imported: its "
            "trials can be read, and none can be made, here or again"
        )


def _decisive(folder: RunFolder) -> list[Path]:
    """The files that say what runs."""
    return [folder.path / name for name in ("search.toml", ledger.NAME)]


def unreadable(error: TrainableError, source: Source) -> SearchError:
    """What it is to the user that the code of a folder's problem cannot be loaded."""
    if source.files:
        return RunFolderError(f"{error}; put it back, or choose another --out")
    return BadInput(str(error))


def _installed(folder: RunFolder, ways: str) -> Source:
    """The source of a problem that is installed, so that the folder has no copy."""
    request = folder.request
    try:
        if request.kind == PROGRAM:
            command = Command(text=request.exec, reads=request.read)
            now = source_of_program(request.problem, command, request.began)
        else:
            now = installed(request.problem)
    except TrainableError as error:
        raise BadInput(str(error)) from error
    if now.sha256 != request.source:
        raise _other(folder, request.source, f"{now.sha256[:8]} now", ways)
    return now if request.problem in PROBLEMS else replace(now, world=request.began)


def _compared(folder: RunFolder, generated: Generated | None) -> tuple[File, ...]:
    """The user's files where they lie now, each the one that the search began with.

    Raises:
        BadInput: one is another, or gone.
    """
    request = folder.request
    try:
        if generated is None:
            files = lying_now(path_read(request.problem), request.files)
            other = changed(files)
        else:
            files = request.files
            own = [file for file in files if file.module.partition(".")[0] != generated.module]
            other = other_now(generated, files) or changed(own)
    except TrainableError as error:
        raise BadInput(str(error)) from error
    if other is not None:
        file, now = other
        ways = f"; choose another --out, or go on with the copies: shoal run --out {folder.path}"
        raise _other(folder, file.sha256, f"{now[:8] or 'gone'} now: {file.original}", ways)
    return files


def _other(folder: RunFolder, had: str, now: str, ways: str) -> BadInput:
    return BadInput(
        f"{folder.path} was made with another version of {folder.request.problem} "
        f"(sha256 {had[:8]} there, {now}){ways}"
    )


def _check_trust(folder: Path, files: Iterable[Path], trusted: bool) -> None:
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
