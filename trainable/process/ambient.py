"""Global settings of torch, numpy and Python: a search runs with those of a fresh process.

A table is to be the same whatever a session has set before (``torch.set_default_dtype``, say), and
the session is to find its settings as it left them. What the problem's own code sets where it is
imported is a part of the problem: it holds wherever the problem runs, also in the threads and
processes of workers.

    session()       preparing a search, and running it: fresh settings, and then the old ones again
    kept(key, ..)   imports a problem; its random numbers begin with the same seed in each process
    as_left(key)    a worker: settings as the import has left them
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch

from shoal.trainable.errors import SourceError
from shoal.trainable.process import generators
from shoal.trainable.process.switches import SETTINGS

T = TypeVar("T")

SEED = 0
"""Of the random numbers that are drawn where a problem is imported."""


Settings = dict[str, Any]

FRESH: Settings = {name: setting.fresh for name, setting in SETTINGS.items()}

_left: dict[str, Settings] = {}  # by the problem's key: what its import has left
_sessions: list[Settings] = []  # what the first one that still runs has found; then one for each
_lock = threading.Lock()


_BESIDE = (
    "a problem that changes torch's settings where it is imported (torch.set_default_dtype, say) "
    "cannot run beside another search in one process; run one after the other"
)


def _check_alone(values: Settings) -> None:
    """Refuse settings of the whole process while other searches run in it.

    Raises:
        SourceError: there are other searches.
    """
    if len(_sessions) > 2 and _shared(values) != _shared(FRESH):
        raise SourceError(_BESIDE)


def _shared(values: Settings) -> Settings:
    """Return those settings that belong to the whole process, not to one thread."""
    return {name: value for name, value in values.items() if not SETTINGS[name].own}


def _now(own: bool | None = None) -> Settings:
    """Return the current settings: of the thread (`own`), of the process (not `own`), or both."""
    return {n: s.get() for n, s in SETTINGS.items() if own is None or s.own is own}


def _impose(values: Settings) -> None:
    for name, value in values.items():
        if SETTINGS[name].get() != value:
            SETTINGS[name].set(value)


@contextmanager
def session() -> Iterator[None]:
    """Run a search with fresh settings; restore the previous ones at the end.

    Several may run at once, in threads: the last to end puts back what the first has found.

    Raises:
        SourceError: the problem of another one has settings of its own.
    """
    with ExitStack() as stack:
        with _lock:
            if not _sessions:
                _sessions.append(_now(own=False))
                _impose(_shared(FRESH))
            elif _now(own=False) != _shared(FRESH):
                raise SourceError(_BESIDE)
            _sessions.append({})
        stack.callback(_end_session)
        stack.enter_context(generators.kept())
        stack.enter_context(_warnings_told())
        stack.enter_context(_thread_as(FRESH))
        yield


def _end_session() -> None:
    with _lock:
        _sessions.pop()
        if len(_sessions) == 1:
            _impose(_sessions.pop())


@contextmanager
def as_left(key: str) -> Iterator[None]:
    """Run a worker with the settings that `kept` has recorded for `key`, or fresh ones.

    Those of the process stay for the session, which all workers of a search share; a worker that
    has a process to itself makes one.

    Raises:
        SourceError: another search of this process has other settings.
    """
    left = _left.get(key, FRESH)
    with ExitStack() as stack:
        if not _sessions:
            stack.enter_context(session())
        _check_alone(left)
        _impose(_shared(left))
        stack.enter_context(_thread_as(left))
        yield


def kept(key: str, load: Callable[[], T]) -> T:
    """Import a problem by `load`, record the settings that this changed, and return the result.

    The settings are then as the import has left them. Random numbers begin with `SEED`, and
    go on afterwards where they were.

    Raises:
        SourceError: it sets what another search of this process has otherwise.
    """
    before, threads = _now(), torch.get_num_threads()
    with generators.seeded(SEED):
        loaded = load()
    after = _now()
    changed = {name: value for name, value in after.items() if value != before[name]}
    if changed:
        _left[key] = {**(before if _sessions else FRESH), **changed}
    elif _sessions:
        _left.setdefault(key, after)  # it may be that a part of it was imported a moment ago
    if _sessions:
        left = _left[key]
        try:
            _check_alone(left)
        except SourceError:
            left = before
            raise
        finally:
            _impose(left)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)  # sums would depend on it
    return loaded


@contextmanager
def _thread_as(values: Settings) -> Iterator[None]:
    """Set this thread's settings; restore the previous ones at the end."""
    before = _now(own=True)
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        stack.callback(_impose, before)
        _impose({name: value for name, value in values.items() if SETTINGS[name].own})
        if torch.get_default_device() != (values["default device"] or torch.device("cpu")):
            stack.enter_context(torch.device("cpu"))  # within a ``with torch.device(...)``
        yield


@contextmanager
def _warnings_told() -> Iterator[None]:
    """Print warnings where the filters would make them errors."""
    with warnings.catch_warnings():
        warnings.filters[:] = [  # type: ignore[index]  # a list, though typed as a sequence
            ("default", *rest) if action == "error" else (action, *rest)
            for action, *rest in warnings.filters
        ]
        warnings._filters_mutated()  # type: ignore[attr-defined]  # typeshed leaves it out
        yield
