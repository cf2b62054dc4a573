"""What SLURM's words for the state of a job and of a node mean (22.05 to 25.05 and later).

``squeue`` and ``scontrol`` tell one word: a flag such as ``COMPLETING`` hides the state below it.
"""

from __future__ import annotations

from enum import Enum

GONE = "GONE"
"""Our word for a job that SLURM has forgotten, as it does some minutes after its end."""

UNKNOWN = "UNKNOWN"
"""Our word where SLURM does not answer."""


class Phase(Enum):
    """How far a job is."""

    WAITING = "waiting"
    LIVING = "living"
    OVER = "over"
    UNKNOWN = "unknown"


_PHASES = {
    Phase.WAITING: (
        "PENDING",
        "REQUEUED",
        "REQUEUE_FED",
        "REQUEUE_HOLD",
        "SPECIAL_EXIT",
        "RESV_DEL_HOLD",
        "CONFIGURING",
        "EXPEDITING",
    ),
    Phase.LIVING: (
        "RUNNING",
        "SUSPENDED",
        "STOPPED",
        "COMPLETING",
        "RESIZING",
        "SIGNALING",
        "STAGE_OUT",
    ),
    Phase.OVER: (
        "COMPLETED",
        "FAILED",
        "CANCELLED",
        "TIMEOUT",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "BOOT_FAIL",
        "DEADLINE",
        "REVOKED",
        GONE,
    ),
}

_OF = {word: phase for phase, words in _PHASES.items() for word in words}

_HELD = ("REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD")
"""States of a job that waits for somebody: ``scontrol release JOBID``."""

_LOST_NODE = ("down", "drain", "fail", "inval", "unk", "power", "boot", "future")


def phase(state: str) -> Phase:
    """Return how far a job in a state is; ``CANCELLED by 0`` is ``CANCELLED``."""
    words = state.split(" ", 1)[0].rstrip("+")
    return _OF.get(words, Phase.UNKNOWN)


def is_over(state: str) -> bool:
    """Whether nothing of a job is left to end."""
    return phase(state) is Phase.OVER


def is_held(state: str) -> bool:
    """Whether a job waits until somebody releases it."""
    return state in _HELD


def node_works(state: str) -> bool:
    """Whether jobs can run on a node, by ``sinfo``'s word such as ``mixed``, ``idle~``, ``down*``.

    Its mark tells: ``*`` does not answer; ``~`` is powered down and is powered up for a job; ``#``
    is powering up; ``@`` is rebooted once it is idle; ``$`` is in a reservation for maintenance,
    which ends.
    """
    word = state.strip().lower()
    return not word.startswith(_LOST_NODE) and not word.endswith("*")
