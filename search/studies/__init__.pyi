from .frozen import frozen
from .memory import study_of
from .storing import store

__all__ = [
    "frozen",
    "store",
    "study_of",
]
