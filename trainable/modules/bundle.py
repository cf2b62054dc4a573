"""The user's own modules in one search, apart from those of all other searches of this process.

They are in ``sys.modules`` as ``shoal_problem_N.NAME``, so that the user's own imports of the same
files stay as they are, and two searches never share one. What is hashed is what is executed: a file
is read once, and its text is compiled from memory, never from a bytecode cache.
"""

from __future__ import annotations

import importlib
import itertools
import os
import re
import sys
import threading
import types
from collections.abc import Iterable, Sequence
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    ExtensionFileLoader,
    ModuleSpec,
    SourcelessFileLoader,
)
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

from shoal.trainable.errors import SourceError, one_line
from shoal.trainable.modules.files import File
from shoal.trainable.modules.imports import builtins_of
from shoal.trainable.modules.lines import forget
from shoal.trainable.modules.loader import Loader
from shoal.trainable.modules.locating import Places, is_folder, note_added
from shoal.trainable.modules.statements import imported

_numbers = itertools.count(1)
_loading = threading.local()


class Bundle:
    """The user's own modules in one search: finds, keeps and imports them.

    Attributes:
        prefix: the package below which they are in ``sys.modules``.
        main: the dotted name of the problem's own module.
    """

    def __init__(self, places: Places, main: str, path: Iterable[str] = ()) -> None:
        """Begin; what is on `path` or ``sys.path`` now was not added by the problem's code."""
        self.prefix, self.main = f"shoal_problem_{next(_numbers)}", main
        self.builtins = builtins_of(self)
        self._places = places
        self._path = [*sys.path, *path]
        self._files: dict[str, File] = {}
        self._contents: dict[str, bytes] = {}
        self._where: dict[str, Path] = {}
        self._folders: dict[str, list[str]] = {}
        self._others: set[str] = set()  # top-level modules that are not the user's own
        self._scanned: set[str] = set()
        self._settled = self._alone = False
        self._lock = threading.RLock()
        package = types.ModuleType(self.prefix)
        package.__path__ = []
        sys.modules[self.prefix] = package
        sys.meta_path.insert(0, self)

    def add(self, file: File, content: bytes, where: Path) -> None:
        """Add a file whose location and content are known.

        Args:
            where: what an extension module is loaded from.
        """
        self._files[file.module] = file
        self._contents[file.module], self._where[file.module] = content, where
        if file.package:
            self._folders[file.module] = [str(Path(file.original).parent)]

    def add_folder(self, file: File) -> None:
        """Add a package without ``__init__.py``."""
        self._files[file.module] = file
        self._folders[file.module] = [file.original]

    def stand_alone(self) -> None:
        """Prefer an installed module to the problem's file where both have the same name."""
        self._alone = True

    def settle(self) -> None:
        """Add no modules from now on: what a search runs is hashed when it begins."""
        self._settled = True

    def files(self) -> tuple[File, ...]:
        """Return the files found so far, the problem first, and those that may yet be imported."""
        with self._lock:
            while not self._settled and (
                waiting := [name for name in self._contents if name not in self._scanned]
            ):
                for name in waiting:
                    self._scanned.add(name)
                    self._scan(name)
            first, *_ = [self._files[self.main]]
            rest = sorted(name for name in self._files if name != self.main)
            return (first, *(self._files[name] for name in rest))

    def content(self, module: str) -> bytes:
        """Return the bytes of a module's file, as they are executed."""
        return self._contents[module]

    def data(self, path: str) -> bytes | None:
        """Return what was read of the file at `path`; None: it is none of this search's."""
        for file in self._files.values():
            if file.original == path and file.copy:
                return self._contents[file.module]
        return None

    def owns(self, top: str) -> bool:
        """Whether a top-level module is one of the user's own."""
        if top in self._others:
            return False
        with self._lock:
            if top in self._files and not (self._alone and top == self.main):
                return True
            note_added(self._path)
            if top == self.main and self._alone:
                own = not self._places.elsewhere(top)
                known = True
            else:
                if self._settled and self._places.elsewhere(top):
                    self._others.add(top)
                    return False
                found = self._places.find(top)
                own, known = self._places.owns(found), found is not None
                if own and self._settled:
                    raise self._missing(top)
            if known and not own:
                self._others.add(top)
            return own

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        """Find one of the user's own modules; called by the import system."""
        if not fullname.startswith(f"{self.prefix}."):
            return None
        module = fullname[len(self.prefix) + 1 :]
        file = self._known(module, path)
        if file is None:
            raise self._missing(module)
        if not file.copy:
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = list(self._folders[module])
            return spec
        loader: Any
        if file.copy.endswith(".py"):
            loader, place = Loader(fullname, file.original, self, module), file.original
        else:
            kinds = tuple(EXTENSION_SUFFIXES)
            kind = ExtensionFileLoader if file.copy.endswith(kinds) else SourcelessFileLoader
            place = str(self._where[module])
            loader = kind(fullname, place)
        folders = self._folders.get(module)
        return spec_from_file_location(
            fullname, place, loader=loader, submodule_search_locations=folders
        )

    def spec_at(self, name: str, location: str) -> ModuleSpec | None:
        """Return how to load a file under a name that the user's code chose; None: not theirs."""
        path = os.path.abspath(location)
        with self._lock:
            known = [file for file in self._files.values() if file.original == path and file.copy]
            if not known:
                if not path.endswith(".py") or not self._places.owns_file(path):
                    return None
                if self._settled:
                    raise self._missing(name)
                module = re.sub(r"[^\w.]", "-", name).strip(".")
                while module in self._files:
                    module += "-"
                content = Path(path).read_bytes()
                known = [File.of(module, Path(path), content, package=False)]
                self.add(known[0], content, Path(path))
        loader = Loader(name, path, self, known[0].module)
        folders = [os.path.dirname(path)] if known[0].package else None
        return spec_from_file_location(
            name, path, loader=loader, submodule_search_locations=folders
        )

    def load(self) -> types.ModuleType:
        """Return the problem's module, executed if it was not yet.

        Raises:
            SourceError: it, or what it imports, raises an error; one line says where.
        """
        original = self._files[self.main].original
        inside: list[str] = getattr(_loading, "inside", [])
        if original in inside:
            raise SourceError(
                f"{original} starts a search of itself when it is loaded; "
                'put that under if __name__ == "__main__":'
            )
        _loading.inside = [*inside, original]
        try:
            return importlib.import_module(f"{self.prefix}.{self.main}")
        except SourceError:
            raise
        except (Exception, SystemExit) as error:  # the user's code may raise anything
            said = one_line(error).replace(f"{self.prefix}.", "")
            raise SourceError(f"{self._line(error)}: {said}") from error
        finally:
            _loading.inside = inside

    def release(self) -> None:
        """Remove the modules from ``sys.modules``."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for name in [n for n in list(sys.modules) if n.partition(".")[0] == self.prefix]:
            del sys.modules[name]
        for file in self._files.values():
            forget(file.original)

    def _known(self, module: str, path: Iterable[str] | None) -> File | None:
        """Return the file of a module, found now if the module is new and the user's own."""
        with self._lock:
            if module in self._files or self._settled:
                return self._files.get(module)
            if "." not in module:
                found = self._places.find(module)
            else:
                parent = module.rpartition(".")[0]
                found = self._places.below(module, path or self._folders.get(parent) or ())
            if found is None or not self._places.owns(found):
                return None
            if is_folder(found):
                portions = list(found.submodule_search_locations or ())
                self.add_folder(File.of(module, Path(portions[0]), None, True))
                self._folders[module] = portions
            else:
                original = Path(str(found.origin)).absolute()
                content = original.read_bytes()
                package = found.submodule_search_locations is not None
                self.add(File.of(module, original, content, package), content, original)
            return self._files[module]

    def _scan(self, module: str) -> None:
        """Add the modules that a module may import later, in functions that were not called yet."""
        file = self._files[module]
        if not file.copy.endswith(".py"):
            return
        for name in sorted(imported(self._contents[module], module, file.package)):
            words = name.split(".")
            if not self.owns(words[0]):
                continue
            for count in range(1, len(words) + 1):
                try:
                    known = self._known(".".join(words[:count]), None)
                except OSError:  # told where it is imported in fact
                    known = None
                if known is None or not known.package:
                    break

    def _missing(self, module: str) -> ModuleNotFoundError:
        name = f"{self.prefix}.{module}"  # by which the import system knows it
        if not self._settled:
            return ModuleNotFoundError(f"No module named {module!r}", name=name)
        main = Path(self._files[self.main].original).name
        return ModuleNotFoundError(
            f"No module named {module!r} among the files that were hashed when the search began; "
            f"import it at the top of {main}, and choose another --out",
            name=name,
        )

    def _line(self, error: BaseException) -> str:
        """Return ``FILE:LINE`` of the innermost frame of `error` that is in one of these files."""
        originals = {file.original for file in self._files.values()}
        if isinstance(error, SyntaxError) and error.filename in originals and error.lineno:
            return f"{error.filename}:{error.lineno}"
        place, step = self._files[self.main].original, error.__traceback__
        while step is not None:
            if step.tb_frame.f_code.co_filename in originals:
                place = f"{step.tb_frame.f_code.co_filename}:{step.tb_lineno}"
            step = step.tb_next
        return place
