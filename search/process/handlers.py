"""Signal handlers: default ones are replaced for a while, and restored.

A handler that the host program has set is left alone, whether in Python or in C (by a preloaded
library, by R, by ``faulthandler.register``), and so is a signal that is ignored (``nohup``). Python
does not know of what was set in C, so the kernel is asked.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

Handler = Callable[[int, Any], object]

ACTION_BYTES = 512
"""More than a ``struct sigaction`` has, which begins with the handler's address everywhere."""

_DEFAULT, _IGNORED = 0, 1  # SIG_DFL and SIG_IGN as addresses
_ours: set[Handler] = set()  # handlers that stand for the default ones


class Taken:
    """Signals whose default handlers are replaced.

    Attributes:
        numbers: which of those that were asked for.
    """

    def __init__(self, numbers: Iterable[signal.Signals], handler: Handler) -> None:
        """Set `handler` for those of `numbers` that have default handlers.

        None are taken in another thread than the main one, where Python allows it to nobody.
        """
        self._handler = handler
        self._before: dict[signal.Signals, tuple[Any, bytes | None]] = {}
        self._left: dict[signal.Signals, tuple[Any, bytes | None]] = {}
        if threading.current_thread() is threading.main_thread():
            for number in numbers:
                self._left[number] = signal.getsignal(number), _action(number)
                self._take(number)
                if number in self._before:
                    del self._left[number]

    @property
    def numbers(self) -> set[signal.Signals]:
        """The signals whose handlers are replaced."""
        return set(self._before)

    def _take(self, number: signal.Signals) -> None:
        python, action = self._left[number]
        address = _address(action)
        if python is signal.SIG_DFL:
            if address not in (_DEFAULT, None):
                return  # set in C since Python began
        elif python is signal.SIG_IGN:
            if not _in_vain(number):
                return
        elif python is not signal.default_int_handler and python not in _ours:
            return
        signal.signal(number, self._handler)
        if callable(python) and _address(_action(number)) != address:
            _restore(number, python, action)  # Python's own was no longer the one in charge
            return
        self._before[number] = python, action

    def again(self) -> None:
        """Set the handler once more, after other code has set its own."""
        for number in self._before:
            signal.signal(number, self._handler)
        self._give_back()

    def put_back(self) -> None:
        """Restore the previous handlers."""
        while self._before:
            number, before = self._before.popitem()
            _restore(number, *before)
        self._give_back()

    def _give_back(self) -> None:
        """Restore the handlers of signals that were left alone, if other code has replaced them."""
        for number, (python, action) in self._left.items():
            if _address(_action(number)) != _address(action) or (
                python is not None and signal.getsignal(number) is not python
            ):
                _restore(number, python, action)


def stand_for_default(handler: Handler) -> None:
    """Treat `handler` as a default one, which may be replaced."""
    _ours.add(handler)


def _in_vain(number: int) -> bool:
    """Whether a signal is ignored by chance: a shell's script ignores SIGINT in what it starts in
    the background, where ``kill -INT`` is still meant; a pool's workers ignore it on purpose."""
    return number == signal.SIGINT and multiprocessing.parent_process() is None


def _restore(number: int, python: Any, action: bytes | None) -> None:
    signal.signal(number, signal.SIG_DFL if python is None else python)
    if action is not None:  # its flags and its mask too
        _libc().sigaction(number, ctypes.create_string_buffer(action, ACTION_BYTES), None)


def _action(number: int) -> bytes | None:
    """Return the kernel's ``struct sigaction`` of a signal; None if it cannot be read."""
    try:
        buffer = ctypes.create_string_buffer(ACTION_BYTES)
        told = _libc().sigaction(number, None, buffer)
    except (OSError, AttributeError):
        return None
    return buffer.raw if told == 0 else None


def _address(action: bytes | None) -> int | None:
    size = ctypes.sizeof(ctypes.c_void_p)
    return None if action is None else int.from_bytes(action[:size], sys.byteorder)


def _libc() -> Any:
    return ctypes.CDLL(None)
