"""What can go wrong in a search.

    SearchError
    ├── BadInput         what was asked cannot be done; nothing was made or changed (exit code 2)
    ├── RunFolderError   the run folder cannot be read or written (exit code 1)
    ├── SearchFailed     nothing works: every lane so far has failed (exit code 1)
    ├── ProgramLost      no host can run the programs that were settled (exit code 1)
    ├── EngineError      Ray went away or never came (exit code 1)
    └── Suspended        told to save and to be started again (exit code 75, or 76: nothing gained)

    KeyboardInterrupt
    └── Interrupted      Ctrl-C (exit code 130), SIGTERM (143) or SIGHUP (129)

Each message is one line: what is wrong, what is allowed, what to type.
"""

from __future__ import annotations

import signal

from shoal.slurm import wire
from shoal.slurm.errors import one_line


class SearchError(Exception):
    """Root of the errors of `search`."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class BadInput(SearchError, ValueError):
    """What was asked cannot be done; nothing was made or changed."""

    exit_code = 2


class RunFolderError(SearchError):
    """The run folder cannot be read or written."""


class SearchFailed(SearchError):
    """Every lane so far has failed with an error."""


class ProgramLost(SearchError):
    """No host can run the programs that were settled for this search; what is done stays."""


class EngineError(SearchError):
    """Ray went away or never came."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or told to end by another signal; what is done stays.

    It is no SearchError: a loop over searches that goes on after each failure ends with it.

    Attributes:
        number: the signal.
    """

    def __init__(self, message: str, by: BaseException | int | None = None) -> None:
        """Tell of it.

        Args:
            by: the signal, or what its handler has raised, with the number; None: Ctrl-C.
        """
        super().__init__(one_line(message))
        told = [by] if isinstance(by, int) else getattr(by, "args", ())
        known = [number for number in signal.valid_signals() if number in told]
        self.number = signal.Signals(known[0] if known else signal.SIGINT)

    @property
    def exit_code(self) -> int:
        """As a shell has it of what a signal has ended; of one to save, that nothing was gained."""
        return wire.EXIT_NOTHING_GAINED if self.number is signal.SIGUSR1 else 128 + self.number


class Suspended(SearchError):
    """Told to save and end; whoever told it starts the search again.

    Attributes:
        number: the signal that has told it, if one has.
    """

    def __init__(self, message: str, gained: bool, number: signal.Signals | None = None) -> None:
        """Tell of it.

        Args:
            gained: whether this run has brought the search on.
        """
        super().__init__(message)
        self.number = number
        self.exit_code = wire.EXIT_SAVED if gained else wire.EXIT_NOTHING_GAINED
