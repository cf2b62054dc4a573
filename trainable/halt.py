"""A cancellation flag that machine code polls during a call.

With millions of points a call of a kernel may take minutes, in which no other thread can stop it.
So the kernel looks at the flag between groups of fits, between updates and, where there are many
points, between stretches of them. Of a call that is given up nothing is kept.
"""

from __future__ import annotations

import ctypes
from typing import Any


class Halted(Exception):
    """A call was cancelled; its arguments are unchanged."""


class Halt:
    """The cancellation flag: cleared at first, and never cleared again once set."""

    def __init__(self) -> None:
        self._flag = ctypes.c_int32(0)
        self.address: Any = ctypes.pointer(self._flag)

    @property
    def is_set(self) -> bool:
        """Whether calls are cancelled."""
        return bool(self._flag.value)

    def set(self) -> None:
        """Cancel all calls with this flag, running ones and later ones."""
        self._flag.value = 1


def never() -> bool:
    """Stop callback that never requests a stop."""
    return False
