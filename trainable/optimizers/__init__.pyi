from .optimizer import Optimizer, State
from .registry import OPTIMIZERS
from .schedule import CONSTANT, SCHEDULES, hyperparameters_of

__all__ = [
    "CONSTANT",
    "OPTIMIZERS",
    "SCHEDULES",
    "Optimizer",
    "State",
    "hyperparameters_of",
]
