from .optuna_tpe import study_of as study_of
from .rounds import Column as Column
from .rounds import Columns as Columns
from .rounds import Earlier as Earlier
from .rounds import RoundSampler as RoundSampler

__all__ = [
    "Column",
    "Columns",
    "Earlier",
    "RoundSampler",
    "study_of",
]
