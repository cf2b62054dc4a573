from .halving import Halving
from .judge import Judge, Known
from .median import Median
from .pruner import Pruner, before_the_last
from .registry import NONE, PRUNERS, pruner_of
from .threshold import Threshold

__all__ = [
    "NONE",
    "PRUNERS",
    "Halving",
    "Judge",
    "Known",
    "Median",
    "Pruner",
    "Threshold",
    "before_the_last",
    "pruner_of",
]
