from .agreement import difference, metrics_difference
from .program import Program, never, program_of
from .settled import CAPTURED, EAGER, INDUCTOR, KERNEL, MAX_UNROLL, Settled, key, updates, words
from .stacked import LaneValues
from .starts import begun
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
    "difference",
    "key",
    "metrics_difference",
    "never",
    "program_of",
    "updates",
    "words",
]
