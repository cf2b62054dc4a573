from .optuna_tpe import study_of
from .rounds import Column, Columns, Earlier, RoundSampler

__all__ = [
    "Column",
    "Columns",
    "Earlier",
    "RoundSampler",
    "study_of",
]
