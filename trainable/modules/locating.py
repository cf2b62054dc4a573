"""Finds modules, and tells which of them are the user's own."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.machinery import FrozenImporter, ModuleSpec, PathFinder
from pathlib import Path

import shoal

INSTALLED = {"site-packages", "dist-packages"}
"""Folders of what is installed, which ``environment.json`` tells by its version."""

NEEDED = ("torch", "numpy", "ray", "optuna", "pandas", "pyarrow", "click", "rich", "tomli_w")
"""What shoal runs on; a checkout of one of them below the user's folder is loaded once."""

_PACKAGE = Path(shoal.__file__).parent
SHOAL = tuple(os.path.realpath(_PACKAGE / part) for part in ("", "search", "slurm", "trainable"))
"""The folders of shoal's own modules; in a checkout the last three lie elsewhere."""

SHOAL_PATH = os.path.realpath(_PACKAGE.parent)
"""The entry of ``sys.path`` by which shoal is found."""

_STANDARD = {os.path.realpath(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib")}

_added: list[str] = []
"""Folders that the code of problems has put on ``sys.path``, in any search of this process."""


class Places:
    """The folders with the user's own modules: the problem's, and the one where the search
    began."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """Begin.

        Args:
            folders: absolute; they come first where a module is looked for.
        """
        found: dict[str, None] = {}
        for folder in folders:
            found[os.path.abspath(folder)] = None
        self._first = tuple(found)

    def find(self, module: str) -> ModuleSpec | None:
        """Return where Python would find a top-level module for a script that lies there."""
        if module in sys.builtin_module_names or FrozenImporter.find_spec(module) is not None:
            return None
        path = [*self._first, *_path()]
        found = PathFinder.find_spec(module, path)
        if found is None:  # such as an editable install, which has a finder of its own
            for finder in sys.meta_path:
                look = getattr(finder, "find_spec", None)
                found = None if look is None else look(module, None)
                if found is not None:
                    break
        return found

    def elsewhere(self, module: str) -> bool:
        """Whether a top-level module of this name exists that is not the user's own."""
        if module in sys.builtin_module_names or FrozenImporter.find_spec(module) is not None:
            return True
        for entry in _path():
            found = PathFinder.find_spec(module, [entry])
            if found is not None and not is_folder(found) and not self.owns(found):
                return True
        return False

    def below(self, module: str, folders: Iterable[str]) -> ModuleSpec | None:
        """Return where a submodule lies, given the folders of its package."""
        return PathFinder.find_spec(module.rpartition(".")[2], list(folders))

    def dotted(self, module: str) -> ModuleSpec | None:
        """Return where a module lies; nothing is imported."""
        top, *words = module.split(".")
        found = self.find(top)
        for word in words:
            if found is None or found.submodule_search_locations is None:
                return None
            found = self.below(word, list(found.submodule_search_locations))
        return found

    def owns(self, found: ModuleSpec | None) -> bool:
        """Whether what was found is the user's own: in these folders, and not installed."""
        if found is None:
            return False
        if is_folder(found):
            return any(self._own(portion) for portion in found.submodule_search_locations or ())
        origin = found.origin
        if not found.has_location or origin is None or not os.path.isfile(origin):
            return False
        loaded = sys.modules.get(found.name)
        if found.name in NEEDED and loaded is not None:
            there = getattr(loaded, "__file__", None)
            if there is not None and os.path.realpath(there) == os.path.realpath(origin):
                return False
        return self._own(origin)

    def owns_file(self, path: str) -> bool:
        """Whether a file is the user's own."""
        return os.path.isfile(path) and self._own(path)

    def _own(self, path: str) -> bool:
        ways = {os.path.abspath(path), os.path.realpath(path)}
        if any(is_installed(way) for way in ways):
            return False
        return any(_is_below(way, root) for way in ways for root in self._roots())

    def _roots(self) -> Iterator[str]:
        for folder in (*self._first, *_added):
            yield folder
            yield os.path.realpath(folder)


def is_folder(found: ModuleSpec) -> bool:
    """Whether a package without ``__init__.py`` was found."""
    return found.origin is None and found.submodule_search_locations is not None


def note_added(before: Iterable[str]) -> None:
    """Record what a problem's code has added to ``sys.path``, which was `before`."""
    for folder in set(sys.path) - set(before):
        if folder and (path := os.path.abspath(folder)) not in _added:
            _added.append(path)


def forget_finders() -> None:
    """Clear Python's import caches, so that files made since are found."""
    importlib.invalidate_caches()


def _path() -> list[str]:
    """``sys.path``, absolute."""
    return [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)]


def is_installed(path: str) -> bool:
    """Whether a file or folder belongs to Python, to an installed package, or to shoal."""
    parts = Path(path).parts
    return (
        not INSTALLED.isdisjoint(parts)
        or any(_is_below(path, room) for room in SHOAL)
        or any(_is_below(path, folder) for folder in _STANDARD)
    )


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
