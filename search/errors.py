"""What can go wrong in a search.

    SearchError
    ├── BadInput         what was asked cannot be done; nothing was made or changed (exit code 2)
    ├── RunFolderError   the run folder cannot be read or written (exit code 1)
    ├── SearchFailed     nothing works: every lane so far has failed (exit code 1)
    ├── ProgramLost      no host can run the programs that were settled (exit code 1)
    ├── EngineError      Ray went away or never came (exit code 1)
    ├── Interrupted      Ctrl-C (exit code 130), or told to end (143)
    └── Suspended        told to save and to be started again (exit code 75, or 76: nothing gained)

Each message is one line: what is wrong, what is allowed, what to type.
"""

from __future__ import annotations

import signal


class SearchError(Exception):
    """Root of the errors of `search`."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        super().__init__("".join(c if c.isprintable() else "?" for c in line))


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


class Interrupted(SearchError):
    """Ctrl-C, or told to end by SIGTERM; what is done stays."""

    def __init__(self, message: str, by: BaseException | None = None) -> None:
        super().__init__(message)
        self.exit_code = 143 if by is not None and signal.SIGTERM in by.args else 130


class Suspended(SearchError):
    """Told to save and end; whoever told it starts the search again.

    Args:
        gained: whether this run has brought the search on.
    """

    def __init__(self, message: str, gained: bool) -> None:
        super().__init__(message)
        self.exit_code = 75 if gained else 76
