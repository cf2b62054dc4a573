"""The global names that the text of a class or a function uses, as Python's compiler sees them."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator
from dataclasses import dataclass

from shoal.trainable.modules import parsed

_INLINE = ("listcomp", "setcomp", "dictcomp", "genexpr")
"""Scopes that run where the text around them does."""


@dataclass(frozen=True)
class Names:
    """Global names in the order of their letters.

    Attributes:
        early: those that are needed when the text is executed: base classes, decorators, defaults,
            what stands in the body of a class.
        itself: those that the text needs and then binds, as in ``class Fit(Fit)``.
        late: those that are needed when its functions are called.
    """

    early: tuple[str, ...]
    itself: tuple[str, ...]
    late: tuple[str, ...]


def names_in(text: str) -> Names:
    """Return the names that a definition, or an assignment, takes from its module.

    Names of a class's body that the body itself has bound before are not among them, nor are the
    attributes of objects. Annotations count where they are evaluated.

    Args:
        text: Python, at the indentation of a module.

    Raises:
        SyntaxError: it is none, or it needs the function around it (``nonlocal``).
    """
    table = symtable.symtable(text, "<memory>", "exec")
    early, late = set[str](), set[str]()
    own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}
    early.update(
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_referenced() and not symbol.is_assigned()
    )
    for child in table.get_children():
        _scope(child, True, early, late)
    for node in ast.walk(parsed(text)):
        if isinstance(node, ast.ClassDef):
            early.update(_before_bound(node))
    itself = own & (early | _at_top(text))
    early -= own
    late -= own | early
    return Names(tuple(sorted(early)), tuple(sorted(itself)), tuple(sorted(late)))


def _at_top(text: str) -> set[str]:
    """Names that base classes, decorators and defaults are."""
    found = set[str]()
    for node in parsed(text).body:
        parts = (
            [node] if not isinstance(node, ast.ClassDef) else [*node.decorator_list, *node.bases]
        )
        for part in parts:
            found |= {each.id for each in _evaluated(part) if isinstance(each.ctx, ast.Load)}
    return found


def _scope(table: symtable.SymbolTable, runs: bool, early: set[str], late: set[str]) -> None:
    """Add the names of a scope and of those in it.

    Args:
        runs: whether the text around it is executed when the module is.
    """
    runs = runs and (table.get_type() == "class" or table.get_name() in _INLINE)
    for symbol in table.get_symbols():
        if symbol.is_global() and (symbol.is_referenced() or symbol.is_declared_global()):
            (early if runs else late).add(symbol.get_name())
    for child in table.get_children():
        _scope(child, runs, early, late)


def _before_bound(node: ast.ClassDef) -> Iterator[str]:
    """Yield names that the body of a class both binds and reads before: ``rate = rate``."""
    bound = set[str]()
    for statement in node.body:
        stored = set[str]()
        for name in _evaluated(statement):
            if isinstance(name.ctx, ast.Load):
                if name.id not in bound:
                    yield name.id
            else:
                stored.add(name.id)
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            stored.add(statement.name)
        bound |= stored


def _evaluated(node: ast.AST) -> Iterator[ast.Name]:
    """Yield the names of a statement that are evaluated with it: none of functions' bodies, of
    comprehensions or of classes in it, whose scopes `_scope` has seen."""
    if isinstance(node, ast.Name):
        yield node
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        defaults = [value for value in node.args.kw_defaults if value is not None]
        for part in (*node.decorator_list, *node.args.defaults, *defaults):
            yield from _evaluated(part)
    elif not isinstance(
        node, (ast.Lambda, ast.ClassDef, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    ):
        for child in ast.iter_child_nodes(node):
            yield from _evaluated(child)
