"""What can go wrong around SLURM.

    SlurmError
    ├── BadInput       what was asked cannot be done; nothing was made or changed (exit code 2)
    └── ClusterError   the cluster did not come up, or went away (exit code 1)

Each message is one line: what is wrong, what is allowed, what to type.
"""

from __future__ import annotations


class SlurmError(Exception):
    """Root of the errors of `slurm`."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class BadInput(SlurmError, ValueError):
    """What was asked cannot be done; nothing was made or changed."""

    exit_code = 2


class ClusterError(SlurmError):
    """The cluster did not come up, or went away."""


def one_line(message: str) -> str:
    """Return a message as one line that can be printed."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(message.split()))
