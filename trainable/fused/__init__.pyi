from .lowering import LANES, lower, lowers
from .registry import target_of
from .target import FusedRun, Target

__all__ = [
    "LANES",
    "FusedRun",
    "Target",
    "lower",
    "lowers",
    "target_of",
]
