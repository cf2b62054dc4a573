from .lowering import LANES, lower
from .registry import target_of
from .target import FusedRun, Target

__all__ = [
    "LANES",
    "FusedRun",
    "Target",
    "lower",
    "target_of",
]
