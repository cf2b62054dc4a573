from .judge import Judge, Known, heading
from .pruner import Pruner, before_the_last
from .registry import NONE, pruner_of

__all__ = [
    "NONE",
    "Judge",
    "Known",
    "Pruner",
    "before_the_last",
    "heading",
    "pruner_of",
]
