"""The modules that the import statements of a source text name, also those inside functions."""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator

_lock = threading.Lock()


def parsed(text: str | bytes) -> ast.Module:
    """Return the syntax tree of Python's text.

    One thread at a time: Python 3.11 counts the depth of a tree for all threads together, and fails
    where two make one at once.

    Raises:
        SyntaxError, ValueError: it is no Python.
    """
    with _lock:
        return ast.parse(text)


def imported(content: bytes, module: str, package: bool) -> set[str]:
    """Return the absolute dotted names in import statements, each of which may be a module.

    What stands under ``if TYPE_CHECKING`` or ``if __name__ == "__main__"`` never runs in a search
    and is left out. ``from a import b`` names ``a`` and ``a.b``.

    Args:
        content: Python's text.
        module: its dotted name; package: whether it is a package's ``__init__.py``.
    """
    try:
        tree = parsed(content)
    except (SyntaxError, ValueError):
        return set()
    found: set[str] = set()
    for node in _running(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, module, package)
            if base is not None:
                found.add(base)
                found.update(f"{base}.{alias.name}".lstrip(".") for alias in node.names)
    found.discard("")
    return found


def _base(node: ast.ImportFrom, module: str, package: bool) -> str | None:
    """Return the absolute name of what is imported from; None: above the top-level package."""
    if node.level == 0:
        return node.module
    above = module.split(".")
    up = node.level - package
    if up > len(above):
        return None
    parts = above[: len(above) - up] + ([node.module] if node.module else [])
    return ".".join(parts)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those under ``if TYPE_CHECKING`` or ``if __name__ == "__main__"``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _is_guard(child.test):
            for other in child.orelse:
                yield other
                yield from _running(other)
            continue
        yield child
        yield from _running(child)


def _is_guard(test: ast.expr) -> bool:
    text = ast.unparse(test)
    return text.rpartition(".")[2] == "TYPE_CHECKING" or (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.ops[0], ast.Eq)
        and {"__name__", "'__main__'"} == {text.partition(" == ")[0], text.partition(" == ")[2]}
    )
