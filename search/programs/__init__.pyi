from .case import LANES, Case, points_of, shapes_of
from .choice import Programs, programs_of
from .meanwhile import Meanwhile
from .running import power_of_two

__all__ = [
    "LANES",
    "Case",
    "Meanwhile",
    "Programs",
    "points_of",
    "power_of_two",
    "programs_of",
    "shapes_of",
]
