from .choice import Programs as Programs
from .choice import programs_of as programs_of
from .meanwhile import Meanwhile as Meanwhile
from .running import power_of_two as power_of_two

__all__ = [
    "Meanwhile",
    "Programs",
    "power_of_two",
    "programs_of",
]
