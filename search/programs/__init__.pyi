from .case import LANES, Case, points_of, shapes_of
from .choice import Programs, programs_of
from .meanwhile import Meanwhile

__all__ = [
    "LANES",
    "Case",
    "Meanwhile",
    "Programs",
    "points_of",
    "programs_of",
    "shapes_of",
]
