from .choice import Programs, programs_of
from .meanwhile import Meanwhile

__all__ = [
    "Meanwhile",
    "Programs",
    "programs_of",
]
