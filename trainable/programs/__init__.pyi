from .agreement import difference as difference
from .program import Program as Program
from .program import never as never
from .settled import CAPTURED as CAPTURED
from .settled import EAGER as EAGER
from .settled import INDUCTOR as INDUCTOR
from .settled import KERNEL as KERNEL
from .settled import MOST_UNROLL as MOST_UNROLL
from .settled import Settled as Settled
from .settled import key as key
from .settled import updates as updates
from .settled import words as words
from .stacked import Values as Values
from .starts import begun as begun
from .tracing import Work as Work

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
