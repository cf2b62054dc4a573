from .rounds import RoundSampler
from .sampler import Columns, Earlier, may_repeat

__all__ = [
    "Columns",
    "Earlier",
    "RoundSampler",
    "may_repeat",
]
