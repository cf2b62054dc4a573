"""What can be wrong with a problem, told in one line.

TrainableError
├── SourceError      the problem cannot be found or loaded
└── ContractError    it was loaded, and breaks the contract of `trainable.problem`
"""

from __future__ import annotations


class TrainableError(Exception):
    """Root of the errors of `trainable`; the message is one line for the user."""


class SourceError(TrainableError):
    """The problem cannot be found or loaded."""


class ContractError(TrainableError):
    """The problem breaks the contract; the message names the line of its file."""


def one_line(error: BaseException) -> str:
    """The type and the first full line of `error`'s message, with no line break in it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    name = type(error).__name__
    return f"{name}: {lines[0]}" if lines else name
