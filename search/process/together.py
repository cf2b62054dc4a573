"""State that concurrent searches share: the first sets it, the last restores it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager


class Together:
    """A context manager that any number of threads enter at once, and that is set up once."""

    def __init__(self, context: Callable[[], AbstractContextManager[None]]) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._inside = 0
        self._entered: AbstractContextManager[None] | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Enter it."""
        with self._lock:
            if self._inside == 0:
                self._entered = self._context()
                self._entered.__enter__()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0 and self._entered is not None:
                    self._entered.__exit__(None, None, None)
                    self._entered = None
