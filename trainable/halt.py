"""A flag that machine code reads: whether to give up the call that is running.

With millions of points a call of a kernel may take minutes, in which no other thread can stop it.
So the kernel looks at the flag between handfuls of fits, between updates and, where there are many
points, between stretches of them. Of a call that is given up nothing is kept.
"""

from __future__ import annotations

import ctypes
from typing import Any


class Halted(Exception):
    """A call was given up; what it was given is as it was."""


class Halt:
    """The flag. It is down at first, and stays up."""

    def __init__(self) -> None:
        self._flag = ctypes.c_int32(0)
        self.address: Any = ctypes.pointer(self._flag)

    def set(self) -> None:
        """Have all calls given up that have this flag, running ones and later ones."""
        self._flag.value = 1
