"""Seeds of the generators that a function may draw from without being asked.

Before each call those of Python, and of numpy, torch and Keras if they are loaded. One that is
loaded later in a call is seeded then, so that a call has the same numbers in a new process and in
one that has run others before.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import random
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any

LIBRARIES = ("numpy", "torch", "keras")

MOST = 2**32
"""numpy's seeds are below this."""


class Seeding(importlib.abc.MetaPathFinder):
    """Seeds the generators of this process, and of libraries that are loaded later.

    Args:
        threads: that torch computes with.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._seed: int | None = None  # of the call that runs
        self._finding = False
        sys.meta_path.insert(0, self)

    def seed(self, seed: int) -> None:
        """A call begins, with this seed."""
        self._seed = seed % MOST
        for name in reversed(LIBRARIES):  # Keras seeds the others too
            if name in sys.modules:
                self._library(name, sys.modules[name])
        random.seed(self._seed)

    def _library(self, name: str, module: Any) -> None:
        if self._seed is None:
            return
        with suppress(AttributeError):  # it is loaded in part
            if name == "numpy":
                module.random.seed(self._seed)
            elif name == "torch":
                module.manual_seed(self._seed)
                module.set_num_threads(self._threads)  # whatever a call before has set
            else:
                module.utils.set_random_seed(self._seed)

    def _loaded(self, name: str, module: Any) -> None:
        """A library was loaded while a call runs; its seeding leaves the generators of others."""
        numpy: Any = sys.modules.get("numpy")
        states = random.getstate(), numpy and name != "numpy" and numpy.random.get_state()
        self._library(name, module)
        random.setstate(states[0])
        if states[1]:
            numpy.random.set_state(states[1])

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Have a library seeded once it is loaded; called by the import system."""
        if fullname not in LIBRARIES or self._finding:
            return None
        self._finding = True
        try:
            spec = importlib.util.find_spec(fullname)
        except (ImportError, ValueError):
            return None
        finally:
            self._finding = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self)
        return spec


class _Loader(importlib.abc.Loader):
    """A loader that has a library seeded."""

    def __init__(self, loader: Any, seeding: Seeding) -> None:
        self._loader, self._seeding = loader, seeding

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._seeding._loaded(name, module)
