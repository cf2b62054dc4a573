from .agreement import difference
from .program import Program, never
from .settled import CAPTURED, EAGER, INDUCTOR, KERNEL, MOST_UNROLL, Settled, key, updates, words
from .stacked import Values
from .starts import begun
from .tracing import Work

__all__ = [
    "CAPTURED",
    "EAGER",
    "INDUCTOR",
    "KERNEL",
    "MOST_UNROLL",
    "Program",
    "Settled",
    "Values",
    "Work",
    "begun",
    "difference",
    "key",
    "never",
    "updates",
    "words",
]
