"""Import statements that give a name what it stands for now."""

from __future__ import annotations

import ast
import sys
import types
from typing import Any

from shoal.trainable.modules import is_installed, parsed


def of_module(name: str, module: types.ModuleType) -> str | None:
    """Return the statement that binds `name` to a module; None: it cannot be imported."""
    full = module.__name__
    if full == "__main__" or sys.modules.get(full) is not module:
        return None
    return f"import {full}" if name == full else f"import {full} as {name}"


def submodules(text: str, name: str, module: types.ModuleType) -> set[str]:
    """Return the modules below one that a text reaches by attributes, as in ``scipy.optimize.f``.

    Importing the package alone may not import them.
    """
    found = set[str]()
    for node in ast.walk(parsed(text)):
        words: list[str] = []
        while isinstance(node, ast.Attribute):
            words.insert(0, node.attr)
            node = node.value
        if not (isinstance(node, ast.Name) and node.id == name):
            continue
        holder: Any = module
        for word in words:
            below = getattr(holder, word, None)
            full = f"{holder.__name__}.{word}"
            if not isinstance(below, types.ModuleType) or sys.modules.get(full) is not below:
                break
            found.add(full)
            holder = below
    return found


def of_object(name: str, value: Any, near: list[types.ModuleType]) -> str | None:
    """Return the statement that binds `name` to what a module has; None: none has it.

    Of what is no class and no function, such as ``typing.Any``, installed modules alone are asked:
    the user's own could make another one.

    Args:
        near: modules that the user has imported, asked before all others.
    """
    known = isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType))
    known = known or hasattr(value, "__wrapped__")
    words = [getattr(value, "__name__", None), name]
    home = sys.modules.get(str(getattr(value, "__module__", None)))
    others = (sys.modules.get(key) for key in sorted(sys.modules, key=_order))
    for module in (home, *near, *others):
        if not isinstance(module, types.ModuleType) or not _importable(module):
            continue
        for word in words:
            if isinstance(word, str) and word.isidentifier() and vars(module).get(word) is value:
                if not known and not _is_installed(module):
                    continue
                alias = "" if word == name else f" as {name}"
                return f"from {module.__name__} import {word}{alias}"
    return None


def _order(key: str) -> tuple[bool, int, str]:
    """Short public names first."""
    return any(word.startswith("_") for word in key.split(".")), len(key), key


def _importable(module: types.ModuleType) -> bool:
    full = module.__name__
    own = full == "__main__" or full.startswith("shoal_problem_")
    return not own and sys.modules.get(full) is module and module.__spec__ is not None


def _is_installed(module: types.ModuleType) -> bool:
    place = getattr(module, "__file__", None)
    return place is None or is_installed(place)
