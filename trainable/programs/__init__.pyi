from .program import Program, never, program_of
from .settled import CAPTURED, EAGER, INDUCTOR, KERNEL, MAX_UNROLL, Settled, key, updates, words
from .starts import begun
from .step import LaneValues
from .tracing import Work

__all__ = [
    "CAPTURED",
    "EAGER",
    "INDUCTOR",
    "KERNEL",
    "MAX_UNROLL",
    "LaneValues",
    "Program",
    "Settled",
    "Work",
    "begun",
    "key",
    "never",
    "program_of",
    "updates",
    "words",
]
