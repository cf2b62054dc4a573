from .rounds import RoundSampler
from .sampler import Column, Columns, Earlier, may_repeat

__all__ = [
    "Column",
    "Columns",
    "Earlier",
    "RoundSampler",
    "may_repeat",
]
