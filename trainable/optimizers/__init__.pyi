from .optimizer import Optimizer, State
from .registry import CONSTANT, OPTIMIZERS, SCHEDULES, hyperparameters_of

__all__ = [
    "CONSTANT",
    "OPTIMIZERS",
    "SCHEDULES",
    "Optimizer",
    "State",
    "hyperparameters_of",
]
