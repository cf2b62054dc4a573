"""What a user may give for a problem, besides its name."""

from __future__ import annotations

import functools
import os
import sys
import types
from collections.abc import Callable
from typing import Any

from shoal.trainable.errors import SourceError
from shoal.trainable.memory.definitions import methods
from shoal.trainable.memory.generated import Generated, generated

MADE_OF = ("initial", "loss", "loss_and_gradient", "module")
"""Methods that no other object has that is given by mistake."""


def given_problem(given: Any) -> str | Generated | None:
    """Return the name of a problem, or the module of one that is in memory.

    A class or a function that a file defines is known by the file's module and its own name.

    Args:
        given: a name, a class, an instance of one, or a function.

    Returns:
        None: it is none of these.

    Raises:
        SourceError: something that it uses cannot be taken along; one line names it.
    """
    if isinstance(given, str):
        return given
    if not isinstance(given, type):
        if any(hasattr(type(given), name) for name in MADE_OF):
            return generated(given)
        own = callable(given) and not isinstance(given, types.BuiltinFunctionType)
        return _function(given) if own else None
    cls: type = given
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if file is not None and getattr(module, cls.__qualname__, None) is cls:
        places = {os.path.realpath(each.__code__.co_filename) for each in methods(cls)}
        if not places or os.path.realpath(file) in places:
            return f"{cls.__module__}:{cls.__name__}"
    return generated(cls)


def _function(given: Callable[..., Any]) -> str | Generated:
    """The name of a function, or the module of one that is in memory.

    Raises:
        SourceError: it is one of those that a worker cannot import.
    """
    if not isinstance(given, types.FunctionType):
        inner: Any = given.func if isinstance(given, functools.partial) else given
        what = {types.MethodType: "a bound method", functools.partial: "a partial"}.get(
            type(given), f"an object of class {type(given).__name__}"
        )
        raise _refused(getattr(inner, "__func__", inner), what)
    where = given.__qualname__
    if given.__name__ == "<lambda>":
        raise _refused(given, "a lambda")
    if "<locals>" in where or "." in where:
        raise _refused(given, "a function inside of another")
    module = sys.modules.get(given.__module__)
    file = getattr(module, "__file__", None)
    if file is not None and getattr(module, where, None) is given:
        return f"{given.__module__}:{where}"
    return generated(given)


def _refused(function: Any, what: str) -> SourceError:
    """What it is to the user that a function cannot be imported by its name."""
    code = getattr(function, "__code__", None)
    line = "" if code is None else f"{code.co_filename}:{code.co_firstlineno}: "
    return SourceError(
        f"{line}{what} cannot be found by its name where it is called; write a function at the top "
        "of a file or cell, def train(lr): ..., and what it holds as arguments or in the function"
    )
