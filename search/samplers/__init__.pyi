from .rounds import RoundSampler
from .sampler import Columns, Earlier, learns, may_repeat

__all__ = [
    "Columns",
    "Earlier",
    "RoundSampler",
    "learns",
    "may_repeat",
]
