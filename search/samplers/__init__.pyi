from .rounds import RoundSampler
from .sampler import (
    SAMPLERS,
    Column,
    Columns,
    Earlier,
    Question,
    learns,
    may_repeat,
    round_seed,
)
from .tpe import draw

__all__ = [
    "SAMPLERS",
    "Column",
    "Columns",
    "Earlier",
    "Question",
    "RoundSampler",
    "draw",
    "learns",
    "may_repeat",
    "round_seed",
]
