from .decomposing import decomposed
from .program import Program, program_of
from .runs import Common, Taken, Tried
from .settled import (
    CAPTURED,
    EAGER,
    KERNEL,
    MAX_UNROLL,
    ONE_BY_ONE,
    PIECES,
    SEQUENTIAL,
    SINGLE,
    Settled,
    key,
    updates,
    words,
)
from .starts import begun
from .step import LaneValues
from .tracing import Work, counted

__all__ = [
    "CAPTURED",
    "EAGER",
    "KERNEL",
    "MAX_UNROLL",
    "ONE_BY_ONE",
    "PIECES",
    "SEQUENTIAL",
    "SINGLE",
    "Common",
    "LaneValues",
    "Program",
    "Settled",
    "Taken",
    "Tried",
    "Work",
    "begun",
    "counted",
    "decomposed",
    "key",
    "program_of",
    "updates",
    "words",
]
