from .frozen import frozen
from .importing import import_study
from .memory import study_of
from .storing import store

__all__ = [
    "frozen",
    "import_study",
    "store",
    "study_of",
]
