from .printable import escaped, printable
from .progress import Best, Progress, Silent, Status, choose

__all__ = [
    "Best",
    "Progress",
    "Silent",
    "Status",
    "choose",
    "escaped",
    "printable",
]
