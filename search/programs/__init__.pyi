from .choice import Programs, programs_of
from .meanwhile import Meanwhile
from .running import power_of_two

__all__ = [
    "Meanwhile",
    "Programs",
    "power_of_two",
    "programs_of",
]
