"""One call of a function: what it gives is taken as reports until it ends, or is to end.

What a function is shows in what it gives: a number or a dict is its one report; of a generator,
each `yield` is one, and what it returns is the last.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from shoal.trainable.errors import one_line
from shoal.trainable.functions import (
    DIVERGED,
    PRUNED,
    Aim,
    Cutoffs,
    Report,
    ReportError,
    Reports,
    Saving,
    Superseded,
    Unsaved,
)
from shoal.trainable.functions.inside.given import Given
from shoal.trainable.modules import traceback_of

DONE, FAILED, STOPPED = "done", "failed", "stopped"

NOTHING = "it has given no report: yield or return a number, or a dict of numbers"


@dataclass(frozen=True, kw_only=True)
class End:
    """How a call ended.

    Attributes:
        how: ``done``, ``diverged``, ``pruned``, ``failed`` or ``stopped``.
        error: one line, where it failed; details: in full.
    """

    how: str
    error: str = ""
    details: str = ""


class Watched:
    """The reports of a call on their way: checked, saved with the checkpoint, and told.

    Args:
        tell: told each new report.
        stopping: whether the call is to end.
        between: whether it may go on from what it has saved before its end.
        cutoffs: from which scores on it is behind others.
    """

    def __init__(
        self,
        reports: Reports,
        aim: Aim,
        saving: Saving | None,
        tell: Callable[[Report], None],
        stopping: Callable[[], bool],
        *,
        between: bool = True,
        cutoffs: Cutoffs | None = None,
    ) -> None:
        self._cutoffs = cutoffs
        self.reports, self._aim, self._saving, self._tell = reports, aim, saving, tell
        self.stopping, self._between = stopping, between

    def add(self, given: Any, *, final: bool = False, quiet: bool = True) -> str | None:
        """Take a report; return why the call ends with it, or None.

        Args:
            final: whether it is the last in any case.
            quiet: whether the call does nothing meanwhile.

        Raises:
            ReportError: it is none. Superseded: a later attempt has begun. Unsaved: the disk does
                not take its checkpoint.
        """
        report = self.reports.add(given, final=final)
        cutoffs = None if final else self._cutoffs
        why = None if report is None else self._aim.verdict(self.reports.all, cutoffs)
        if self._between:
            self._commit(done=final or why is not None, quiet=quiet)
        if report is not None:
            self._tell(report)
        return why or (STOPPED if self.stopping() and not final else None)

    def ended(self, why: str | None) -> End:
        """Return how a call has ended that has come to its end, or was ended for a reason."""
        if why == STOPPED:
            return End(how=STOPPED)
        if not self.reports.all:
            return End(how=FAILED, error=NOTHING)
        self._commit(done=True)
        return End(how=why if why in (DIVERGED, PRUNED) else DONE)

    def _commit(self, *, done: bool, quiet: bool = True) -> None:
        try:
            if self._saving is not None:
                self._saving.commit(self.reports.all, done=done, quiet=quiet)
        except OSError as error:
            raise Unsaved(f"its checkpoint cannot be saved: {error.strerror or error}") from error


def call(function: Callable[..., Any], given: Given, watched: Watched) -> End:
    """Call a function, in this thread, until it ends or is to end.

    Raises:
        Unsaved: the disk does not take its checkpoint.
    """
    result: Any = None
    try:
        result = given.call(function)
        if isinstance(result, Generator):
            return watched.ended(_followed(result, watched))
        check_result(result)
        why = None if result is None else watched.add(result, final=True)
        return watched.ended(why)
    except ReportError as error:
        return End(how=FAILED, error=str(error))
    except Superseded:
        return End(how=STOPPED)
    except Unsaved:
        raise
    except BaseException as error:  # the user's code may raise anything
        return End(how=FAILED, error=one_line(error), details=traceback_of(error))
    finally:
        if isinstance(result, Generator):
            _closed(result)


def _followed(generator: Generator[Any, Any, Any], watched: Watched) -> str | None:
    """Take the reports of a generator; return why it is ended, or None where it ends itself."""
    while True:
        try:
            given = next(generator)
        except StopIteration as stop:
            return None if stop.value is None else watched.add(stop.value, final=True)
        why = watched.add(given)
        if why is not None:
            return why


def _closed(generator: Generator[Any, Any, Any]) -> None:
    """Close a generator; what its cleanup raises goes to the log of the trial."""
    try:
        generator.close()
    except BaseException:
        print("what the function raised when it was closed:", file=sys.stderr)
        traceback.print_exc()


def check_result(result: Any) -> None:
    """Check that what a call has returned can be a report.

    Raises:
        ReportError: it is of another kind.
    """
    if inspect.iscoroutine(result):
        with suppress(RuntimeError):
            result.close()
        raise ReportError("the function is async; write it with def, without await")
    if inspect.isasyncgen(result):
        raise ReportError("the function is async; write it with def, without await")
