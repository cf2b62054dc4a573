"""Where a problem comes from: a name, ``module:Class`` or ``file.py:Class``."""

from __future__ import annotations

import hashlib
import importlib
import secrets
import sys
import types
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shoal.trainable.disk import read_in
from shoal.trainable.errors import SourceError, one_line
from shoal.trainable.modules import Bundle, File, Places, digest
from shoal.trainable.problems.registry import PROBLEMS
from shoal.trainable.process import World, entered, settle, within

MAX_BYTES = 1 << 30
"""Size of one of the user's files, which may be a compiled module."""

_bundles: dict[str, Bundle] = {}
"""The user's modules in this process, by the token of the source that they belong to."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A problem's origin, small enough to travel to every worker.

    Attributes:
        spec: as the user wrote it.
        cls: name of the class.
        module: the module that has it.
        sha256: of all of the user's own files, or else of the module's file.
        files: the user's own files, the module's first; none where the module is installed.
        copies: folder of their copies, which are executed; None: the originals are.
        token: names what is loaded of it in a process.
        world: the working folder and the import path of the place where the search began.
    """

    spec: str
    cls: str
    module: str
    sha256: str
    files: tuple[File, ...] = ()
    copies: str | None = None
    token: str = ""
    world: World = field(default_factory=World)

    def load(self) -> type:
        """Return the class; the first time, its files are executed.

        Torch's settings are then as importing it leaves them.

        Raises:
            SourceError: it cannot be loaded, or a file is not the one that was hashed. Then nothing
                is executed. Or it is a function.
        """
        found = self.named()
        if not isinstance(found, type):
            raise SourceError(
                f"{self.spec} is a function, which only shoal run takes; give a problem's class"
            )
        from shoal.trainable.private import light_gradients  # it loads torch, which is there now

        light_gradients()
        return found

    def named(self) -> Any:
        """Return what is named, a class or a function, likewise."""
        from shoal.trainable.process import ambient  # not before: it loads torch

        return ambient.kept(self.key, self._load)

    def function(self) -> Callable[..., Any]:
        """Return the function, in a process that stands where its code belongs; torch is not
        loaded for it.

        Raises:
            SourceError: it cannot be loaded, or a file is not the one that was hashed.
        """
        found: Callable[..., Any] = _named(self._module(), self.cls, self.spec)
        return found

    @property
    def key(self) -> str:
        """Names what importing it leaves behind in a process (`trainable.process.ambient`)."""
        return self.token or self.sha256

    def _load(self) -> Any:
        if self.spec in PROBLEMS:
            return _named(self._module(), self.cls, self.spec)
        moves = self.moves
        with entered(self.world, moves) as stand:
            found = _named(self._module(), self.cls, self.spec)
            if isinstance(found, type):
                settle(found, self.world, stand.left(), moves)
        return found

    def _module(self) -> types.ModuleType:
        if self.files:
            return self.check().load()
        if file_hash(self.module) != self.sha256:
            raise SourceError(f"{self.module} has changed since the search began")
        return imported(self.module)

    def check(self) -> Bundle:
        """Read every file, unless that was done, and execute nothing.

        Raises:
            SourceError: one cannot be read, or is not the one that was hashed.
        """
        if self.token not in _bundles:
            _bundles[self.token] = self._read()
        return _bundles[self.token]

    def complete(self) -> Source:
        """Return the source with all files that were met so far; from now on there are no more."""
        if not self.files:
            return self
        files = self.met()
        self.check().settle()
        return replace(self, files=files, sha256=digest(files))

    def met(self) -> tuple[File, ...]:
        """Return all files that were met so far, the problem's first."""
        found = self.named()
        there = within(found) if isinstance(found, type) else entered(self.world, self.moves)
        with there:  # where relative entries of sys.path lead
            return self.check().files()

    def at(self, copies: Path) -> Source:
        """Return the same problem, read from a folder with copies of its files."""
        return replace(self, copies=str(copies)) if self.files else self

    def contents(self) -> dict[str, bytes]:
        """Return what belongs into the folder of copies: bytes by path below it."""
        if not self.files:
            return {}
        bundle = self.check()
        return {file.copy: bundle.content(file.module) for file in self.files if file.copy}

    @property
    def moves(self) -> bool:
        """Whether its code may move the process to another folder, by what stands in it."""
        return any(b"chdir" in content for content in self.contents().values())

    def release(self) -> None:
        """Unload its modules from this process."""
        if (bundle := _bundles.pop(self.token, None)) is not None:
            bundle.release()

    def _read(self) -> Bundle:
        contents = {}
        for file in self.files:
            if not file.copy:
                continue
            path = self._path(file)
            contents[file.module] = read(path) if self.copies is None else self._copy(file)
            if hashlib.sha256(contents[file.module]).hexdigest() != file.sha256:
                raise SourceError(f"{path} has changed since the search began")
        folders = [file.top for file in self.files]
        began = [Path(self.world.folder)] if self.world.folder else []
        theirs = [*self.world.first, *self.world.last]
        bundle = Bundle(Places([*folders, *began]), self.module, theirs)
        for file in self.files:
            if file.copy:
                bundle.add(file, contents[file.module], self._path(file))
            else:
                bundle.add_folder(file)
        if self.spec.rpartition(":")[0].endswith(".py"):
            bundle.stand_alone()
        bundle.settle()
        return bundle

    def _copy(self, file: File) -> bytes:
        """What stands in the copy of a file, below the run folder without any link."""
        copies = Path(self.copies or "")
        try:
            return read_in(copies.parent, f"{copies.name}/{file.copy}", most=MAX_BYTES)
        except OSError as error:
            raise SourceError(f"cannot read {self._path(file)}: {error.strerror}") from error

    def _path(self, file: File) -> Path:
        return Path(file.original) if self.copies is None else Path(self.copies) / file.copy


def of_copies(spec: str, files: tuple[File, ...], copies: Path, world: World) -> Source:
    """Return the source of a search that goes on: copies of its files, the problem's first."""
    return Source(
        spec=spec,
        cls=spec.rpartition(":")[2],
        module=files[0].module,
        sha256=digest(files),
        files=files,
        copies=str(copies),
        token=secrets.token_hex(8),
        world=world,
    )


def keep(bundle: Bundle) -> str:
    """Remember what is loaded; return the token by which a source finds it."""
    token = secrets.token_hex(8)
    _bundles[token] = bundle
    return token


def read(path: Path) -> bytes:
    """Return what stands in a file.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error


def imported(module: str) -> types.ModuleType:
    """Return an installed module.

    Raises:
        SourceError: it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise SourceError(f"cannot import {module}: {one_line(error)}") from error


def file_hash(module: str) -> str:
    """Return the sha256 of the file of an installed module, which is not executed if it is found.

    Raises:
        SourceError: it has none, or cannot be read.
    """
    found = None if module in sys.modules else Places(()).dotted(module)
    if found is not None and found.has_location and found.origin is not None:
        return hashlib.sha256(read(Path(found.origin))).hexdigest()
    file = getattr(imported(module), "__file__", None)
    if file is None:
        raise SourceError(f"{module} is not a module with a file")
    return hashlib.sha256(read(Path(file))).hexdigest()


def _named(module: types.ModuleType, name: str, spec: str) -> Any:
    """The class or function of this name."""
    found = getattr(module, unicodedata.normalize("NFKC", name), None)  # as Python reads names
    if not callable(found):
        own = [
            key
            for key, value in vars(module).items()
            if isinstance(value, (type, types.FunctionType)) and value.__module__ == module.__name__
        ]
        known = f"it has {', '.join(own)}" if own else "it has neither"
        raise SourceError(f"{spec}: there is no class or function {name}; {known}")
    return found
