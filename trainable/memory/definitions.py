"""The text of a class or a function, from the cell or the file in which it was defined."""

from __future__ import annotations
import __future__

import ast
import functools
import inspect
import linecache
import os
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shoal.trainable.modules import parsed

Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign

WRITTEN = "-source.py"
"""How the files end that shoal writes of what it finds here."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A class, a function, or a lambda that is assigned to a name.

    Attributes:
        name: what the text binds.
        text: Python, at the indentation of a module.
        place, line: the cell or file, and where the text begins in it.
        future: whether ``from __future__ import annotations`` held.
        namespace: the global names of the place where it was defined, and the variables of the
            functions around it that its methods use.
        inner: whether it stands in a function.
    """

    name: str
    text: str
    place: str
    line: int
    future: bool
    namespace: dict[str, Any]
    inner: bool = False

    def line_of(self, word: str) -> int:
        """Return the first line of the cell or file in which the text has a word."""
        above = self.text.partition(word)[0]
        return self.line + above.count("\n")


def definition_of(value: type | types.FunctionType, name: str) -> Definition | None:
    """Return the text of a class or a function; None: it is not kept anywhere.

    Args:
        name: what it is called, which tells two lambdas of one line apart.
    """
    functions = methods(value) if isinstance(value, type) else [value]
    for function in functions:
        code = function.__code__
        for each in _texts(function):
            found = _found(each.text, value, code, name)
            if found is not None:
                return _definition(value, found, each, functions)
    if isinstance(value, type) and value.__module__ == "__main__":
        line = getattr(value, "__firstlineno__", None)
        for each in _cells():
            found = _named(each.text, value, lambda node: line in (None, _first(node)))
            if found is not None:
                known = vars(sys.modules["__main__"])
                return _definition(value, found, each, functions, known)
    return None


def methods(cls: type) -> list[types.FunctionType]:
    """Return the functions that the text of a class defines; those of its decorators are left
    out."""
    found = []
    for name, held in vars(cls).items():
        inner = [held.fget, held.fset, held.fdel] if isinstance(held, property) else [held]
        for each in inner:
            for function in within(each):
                if function.__qualname__ == f"{cls.__qualname__}.{name}":
                    found.append(function)
    return found


def within(value: Any) -> list[types.FunctionType]:
    """Return a function, and those that it wraps; none of what is no function."""
    found: list[types.FunctionType] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, (staticmethod, classmethod)):
            each = each.__func__
        if isinstance(each, functools.cached_property):
            each = each.func
        if isinstance(each, types.FunctionType) and each not in found:
            found.append(each)
            waiting += [held for held in _closure(each).values() if callable(held)]
        if callable(each) and hasattr(each, "__wrapped__"):
            waiting.append(each.__wrapped__)
    return found


def _closure(function: types.FunctionType) -> dict[str, Any]:
    """The variables of the functions around it that a function uses, those that are set."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue
    return found


def free_names(function: types.FunctionType) -> tuple[str, ...]:
    """Return the names of the variables of the functions around it that a function uses."""
    return tuple(name for name in function.__code__.co_freevars if name != "__class__")


def _definition(
    value: type | types.FunctionType,
    node: Defined,
    where: _Text,
    functions: list[types.FunctionType],
    namespace: dict[str, Any] | None = None,
) -> Definition:
    lines = where.text.splitlines(keepends=True)
    first, last = _first(node), node.end_lineno or node.lineno
    kept = set[int]()  # lines that begin inside of a text, whose blanks belong to it
    for each in ast.walk(node):
        if isinstance(each, (ast.Constant, ast.JoinedStr)):
            kept.update(range(each.lineno + 1, (each.end_lineno or each.lineno) + 1))
    indent = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())]
    chosen = [
        line if number in kept else line.removeprefix(indent)
        for number, line in enumerate(lines[first - 1 : last], first)
    ]
    known = dict(namespace or {})
    for function in functions:
        known.update(function.__globals__)
    for function in functions:
        known.update({n: v for n, v in _closure(function).items() if n != "__class__"})
    flags = [function.__code__.co_flags for function in functions]
    name = _bound(node)
    return Definition(
        name=name,
        text="".join(chosen).rstrip() + "\n",
        place=where.place,
        line=first + where.above,
        future=any(flag & __future__.annotations.compiler_flag for flag in flags),
        namespace=known,
        inner="<locals>" in value.__qualname__,
    )


def _first(node: Defined) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(int(each.lineno) for each in decorators)])


def _found(text: str, value: Any, code: types.CodeType, called: str) -> Defined | None:
    """Where a text defines what was asked for, given the code of one of its functions."""
    line = code.co_firstlineno
    if isinstance(value, type):
        return _named(text, value, lambda node: _first(node) <= line <= (node.end_lineno or 0))
    found: list[Defined] = []
    for node in ast.walk(_tree(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            name, begins = node.name, _first(node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and _target(node):
            name, begins = "<lambda>", node.value.lineno if node.value else 0
        else:
            continue
        if name == code.co_name and begins == line:
            found.append(node)
    return next((node for node in found if _bound(node) == called), found[0] if found else None)


def _target(node: ast.Assign | ast.AnnAssign) -> str:
    """The name in ``NAME = lambda ...``; empty where a statement is another one."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    single = targets[0] if len(targets) == 1 and isinstance(node.value, ast.Lambda) else None
    return single.id if isinstance(single, ast.Name) else ""


def _bound(node: Defined) -> str:
    """The name that a definition binds."""
    return _target(node) if isinstance(node, (ast.Assign, ast.AnnAssign)) else node.name


def _named(text: str, cls: type, fits: Any) -> ast.ClassDef | None:
    found = None
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__ and fits(node):
            found = node  # the innermost, or the last
    return found


@functools.lru_cache(maxsize=64)
def _tree(text: str) -> ast.Module:
    try:
        return parsed(text)
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


@dataclass(frozen=True)
class _Text:
    """What was executed at once: a cell, or a file.

    Attributes:
        place: its name, for messages; above: lines of the cell before this text.
    """

    place: str
    text: str
    above: int = 0


def _texts(function: types.FunctionType) -> Iterator[_Text]:
    """Yield what may have defined a function."""
    place = function.__code__.co_filename
    linecache.checkcache(place)
    lines = linecache.getlines(place, function.__globals__)
    if not lines:
        try:
            lines = inspect.findsource(function.__code__)[0]
        except (OSError, TypeError, IndexError):
            lines = []
    if lines:
        yield _Text(_shown(place, lines), "".join(lines))
    elif function.__module__ == "__main__":
        yield from _cells()


def _cells() -> Iterator[_Text]:
    """Yield what was executed in this session as it is kept, the latest first.

    Of a cell that a magic such as ``%%time`` has run, the rest is kept as that one's argument.
    """
    for place, entry in reversed(list(linecache.cache.items())):
        if len(entry) != 4 or entry[1] is not None or place.endswith(WRITTEN):
            continue
        text, shown = "".join(entry[2]), _shown(place, entry[2])
        yield _Text(shown, text)
        for node in ast.walk(_tree(text)):
            called = node.func.attr if _is_method(node) else ""  # type: ignore[attr-defined]  # `_is_method` has looked
            last = node.args[-1] if called == "run_cell_magic" and node.args else None  # type: ignore[attr-defined]  # likewise
            if isinstance(last, ast.Constant) and isinstance(last.value, str):
                yield _Text(shown, last.value, above=1)


def _is_method(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)


def _shown(place: str, lines: list[str]) -> str:
    """The name of a cell by its number, where there is one; else of the file."""
    cells = vars(sys.modules["__main__"]).get("In")
    text = "".join(lines).strip()
    if isinstance(cells, list) and not os.path.isfile(place):
        for number in range(len(cells) - 1, 0, -1):
            if str(cells[number]).strip() == text:
                return f"In[{number}]"
    return place
