from .printable import escaped as escaped
from .printable import printable as printable
from .progress import Best as Best
from .progress import Progress as Progress
from .progress import Silent as Silent
from .progress import Status as Status
from .progress import choose as choose

__all__ = [
    "Best",
    "Progress",
    "Silent",
    "Status",
    "choose",
    "escaped",
    "printable",
]
