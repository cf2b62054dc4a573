"""What the programs of one search have in common, in a process: found out or fetched once.

Threads that run packs have a program of each shape; what it is compiled as, and what its updates
take, is the same for all of them, and Python works it out for one at a time anyway.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from shoal.trainable.feeding import Held

T = TypeVar("T")


class Common:
    """It stays in its process: a copy that goes to another one is empty.

    Attributes:
        held: what updates take.
    """

    def __init__(self) -> None:
        self.held = Held()
        self._made: dict[Hashable, Any] = {}
        self._lock = threading.RLock()

    def made(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is made once for all that ask for it by a key; who asks meanwhile waits."""
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            made: T = self._made[key]
            return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Common, ()
