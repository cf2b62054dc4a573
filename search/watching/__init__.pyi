from .observer import Best, Observer, Observers, Status
from .printable import escaped, printable
from .terminal import Silent, choose

__all__ = [
    "Best",
    "Observer",
    "Observers",
    "Silent",
    "Status",
    "choose",
    "escaped",
    "printable",
]
