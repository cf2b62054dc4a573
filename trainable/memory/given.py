"""What a user may give for a problem, besides its name."""

from __future__ import annotations

import os
import sys
from typing import Any

from shoal.trainable.memory.definitions import methods
from shoal.trainable.memory.generated import Generated, generated

MADE_OF = ("initial", "loss", "loss_and_gradient", "module")
"""Methods that no other object has that is given by mistake."""


def given_problem(given: Any) -> str | Generated | None:
    """Return the name of a problem, or the module of one that is in memory.

    A class that a file defines is known by the file's module and its own name.

    Args:
        given: a name, a class, or an instance of one.

    Returns:
        None: it is none of these.

    Raises:
        SourceError: something that it uses cannot be taken along; one line names it.
    """
    if isinstance(given, str):
        return given
    if not isinstance(given, type):
        problem = any(hasattr(type(given), name) for name in MADE_OF)
        return generated(given) if problem else None
    cls: type = given
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if file is not None and getattr(module, cls.__qualname__, None) is cls:
        places = {os.path.realpath(each.__code__.co_filename) for each in methods(cls)}
        if not places or os.path.realpath(file) in places:
            return f"{cls.__module__}:{cls.__name__}"
    return generated(cls)
