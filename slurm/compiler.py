"""The C++ compiler of a node, found as `trainable.compiler` finds it, without torch."""

from __future__ import annotations

import os
import shlex
import shutil


def compiler() -> tuple[str, ...]:
    """The words that call the C++ compiler that a search would use here; none: there is none."""
    try:
        given = shlex.split(os.environ.get("CXX", ""))
    except ValueError:
        return ()
    for tool in given[:1] or ("g++", "c++", "clang++"):
        found = shutil.which(os.path.expanduser(tool))
        if found is not None:
            return (found, *given[1:])
    return ()
