from .observer import Best, Observer, Observers, Status
from .printable import escaped, printable
from .terminal import Silent, choose
from .units import duration

__all__ = [
    "Best",
    "Observer",
    "Observers",
    "Silent",
    "Status",
    "choose",
    "duration",
    "escaped",
    "printable",
]
