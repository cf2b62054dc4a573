from .lowering import LANES, lower
from .nodes import is_in_place, of_new
from .registry import target_of
from .target import FusedRun, Target
from .vocabulary import lowers

__all__ = [
    "LANES",
    "FusedRun",
    "Target",
    "is_in_place",
    "lower",
    "lowers",
    "of_new",
    "target_of",
]
