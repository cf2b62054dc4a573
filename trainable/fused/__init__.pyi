from .lowering import LANES, lower
from .registry import target_of
from .target import FusedRun, Target
from .vocabulary import lowers

__all__ = [
    "LANES",
    "FusedRun",
    "Target",
    "lower",
    "lowers",
    "target_of",
]
