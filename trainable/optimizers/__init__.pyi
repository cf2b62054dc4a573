from .optimizer import Optimizer, State
from .registry import CONSTANT, OPTIMIZERS, SCHEDULES, hyperparameters_of
from .schedule import Schedule

__all__ = [
    "CONSTANT",
    "OPTIMIZERS",
    "SCHEDULES",
    "Optimizer",
    "Schedule",
    "State",
    "hyperparameters_of",
]
