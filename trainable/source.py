"""Where a problem comes from: a name, ``module:Class`` or ``file.py:Class``."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import linecache
import sys
import types
from dataclasses import dataclass
from pathlib import Path

from trainable import ambient
from trainable.errors import SourceError, one_line
from trainable.problems import PROBLEMS


@dataclass(frozen=True, kw_only=True)
class Source:
    """A problem's origin, small enough to travel to every worker.

    Attributes:
        spec: as the user wrote it.
        cls: name of the class.
        module: module to import, or None for a file.
        path: file to execute (absolute), or None for a module.
        sha256: hash of the file that defines the class.
        search_path: folder put on ``sys.path`` first, for a module beside the user's script.
    """

    spec: str
    cls: str
    module: str | None = None
    path: str | None = None
    sha256: str
    search_path: str | None = None

    def load(self) -> type:
        """Return the class; torch's settings are then as importing it leaves them.

        Raises:
            SourceError: it cannot be loaded, or its file is not the one that was hashed.
        """
        return ambient.kept(self.key, self._load)

    @property
    def key(self) -> str:
        """Names what importing it leaves behind in a process (`trainable.ambient`)."""
        return self.sha256

    def _load(self) -> type:
        if self.path is not None:
            text = _read(Path(self.path))
            if hashlib.sha256(text).hexdigest() != self.sha256:
                raise SourceError(f"{self.path} has changed since the search began")
            module = _execute(Path(self.path), text)
        else:
            assert self.module is not None
            if self.search_path is not None and self.search_path not in sys.path:
                sys.path.insert(0, self.search_path)
            module = _import(self.module)
        return _class(module, self.cls, self.spec)

    def at(self, path: Path) -> Source:
        """Return the same problem, read from a copy of its file."""
        return Source(spec=self.spec, cls=self.cls, path=str(path), sha256=self.sha256)


def find(spec: str) -> Source:
    """Return the source that `spec` names.

    Raises:
        SourceError: nothing is there, or it cannot be loaded.
    """
    if spec in PROBLEMS:
        module, cls = PROBLEMS[spec]
        return Source(spec=spec, cls=cls, module=module, sha256=_module_hash(module))
    place, colon, cls = spec.rpartition(":")
    file = place.endswith(".py")
    dotted = all(word.isidentifier() for word in place.split("."))
    if not (colon and cls.isidentifier() and (file or dotted)):
        near = difflib.get_close_matches(spec, PROBLEMS, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise SourceError(
            f"unknown problem {spec!r}{hint}; known: {', '.join(PROBLEMS)}; "
            "or module:Class, or file.py:Class"
        )
    if file:
        path = Path(place).expanduser().absolute()
        text = _read(path)
        source = Source(spec=spec, cls=cls, path=str(path), sha256=hashlib.sha256(text).hexdigest())
    else:
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
        source = Source(
            spec=spec, cls=cls, module=place, sha256=_module_hash(place), search_path=here
        )
    source.load()
    return source


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error


def _execute(path: Path, text: bytes) -> types.ModuleType:
    name = f"shoal_problem_{hashlib.sha256(text).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    module = types.ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    linecache.checkcache(str(path))
    try:
        exec(compile(text, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        line = _line(error, path)
        raise SourceError(f"{path}{line}: {one_line(error)}") from error
    return module


def _line(error: BaseException, path: Path) -> str:
    """``:LINE`` of the last frame of `error` inside `path`, or nothing."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f":{error.lineno}"
    line, step = "", error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == str(path):
            line = f":{step.tb_lineno}"
        step = step.tb_next
    return line


def _import(module: str) -> types.ModuleType:
    try:
        return ambient.kept(module, lambda: importlib.import_module(module))
    except (Exception, SystemExit) as error:
        raise SourceError(f"cannot import {module}: {one_line(error)}") from error


def _module_hash(module: str) -> str:
    file = getattr(_import(module), "__file__", None)
    if file is None:
        raise SourceError(f"{module} is not a module with a file")
    return hashlib.sha256(_read(Path(file))).hexdigest()


def _class(module: types.ModuleType, name: str, spec: str) -> type:
    found = getattr(module, name, None)
    if not isinstance(found, type):
        classes = [
            key
            for key, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module.__name__
        ]
        known = f"it has {', '.join(classes)}" if classes else "it has no class"
        raise SourceError(f"{spec}: there is no class {name}; {known}")
    return found
