from .optuna_tpe import study_of
from .rounds import RoundSampler
from .sampler import Column, Columns, Earlier

__all__ = [
    "Column",
    "Columns",
    "Earlier",
    "RoundSampler",
    "study_of",
]
