"""The ``import`` statement in the user's own modules: it finds this search's copies of them.

Each of them has builtins of its own, whose ``__import__`` this is; so it holds for statements
inside functions and in any thread too, and nobody else's imports are touched.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from typing import Any, Protocol


class Owner(Protocol):
    """Knows the user's own modules, each of which is in ``sys.modules`` as ``prefix.NAME``."""

    prefix: str

    def owns(self, top: str) -> bool:
        """Whether a top-level module is one of them."""

    def spec_at(self, name: str, location: str) -> ModuleSpec | None:
        """Return how to load a file under this name; None: it is not one of them."""


def builtins_of(owner: Owner) -> dict[str, Any]:
    """Return the builtins of the user's own modules."""
    return {**vars(builtins), "__import__": _Import(owner)}


class _Import:
    """Replaces ``__import__``."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        util = _Stand(importlib.util, spec_from_file_location=self.spec)
        self._stands: dict[types.ModuleType, types.ModuleType] = {
            importlib.util: util,
            importlib: _Stand(importlib, import_module=self.module, util=util),
        }

    def __call__(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        top = name.partition(".")[0]
        # C code that looks a module up by its name, such as pickle's, calls in this way, and takes
        # what is in sys.modules under that name
        by_name = isinstance(fromlist, list) and not fromlist and globals is locals
        if level == 0 and not by_name and self._owner.owns(top):
            full = f"{self._owner.prefix}.{name}"
            try:
                found = builtins.__import__(full, globals, locals, fromlist or (), 0)
            except ModuleNotFoundError as error:
                if error.name is not None:
                    error.name = error.name.removeprefix(f"{self._owner.prefix}.")
                raise
            return found if fromlist else sys.modules[f"{self._owner.prefix}.{top}"]
        found = builtins.__import__(name, globals, locals, fromlist or (), level)
        return self._stands.get(found, found) if isinstance(found, types.ModuleType) else found

    def module(self, name: str, package: str | None = None) -> types.ModuleType:
        """Replaces ``importlib.import_module``."""
        full = importlib.util.resolve_name(name, package) if name.startswith(".") else name
        if self._owner.owns(full.partition(".")[0]):
            full = f"{self._owner.prefix}.{full}"
        return importlib.import_module(full)

    def spec(
        self, name: str, location: Any = None, *arguments: Any, **named: Any
    ) -> ModuleSpec | None:
        """Replaces ``importlib.util.spec_from_file_location``."""
        if location is not None and (found := self._owner.spec_at(name, os.fspath(location))):
            return found
        return importlib.util.spec_from_file_location(name, location, *arguments, **named)


class _Stand(types.ModuleType):
    """A module in which some functions are replaced."""

    def __init__(self, module: types.ModuleType, **others: Any) -> None:
        super().__init__(module.__name__, module.__doc__)
        self._module = module
        self.__dict__.update(others)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)
