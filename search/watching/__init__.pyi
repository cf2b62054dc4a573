from .observer import Best, Observer, Observers, Status, duration
from .printable import escaped, printable
from .terminal import Silent, choose

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
