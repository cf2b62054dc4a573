from .composed import hyperparameters_of
from .methods import Clock, Function, State
from .own import composed_of, optimizers_of, schedules_of
from .registry import OPTIMIZERS
from .schedules import CONSTANT, SCHEDULE, SCHEDULES

__all__ = [
    "CONSTANT",
    "OPTIMIZERS",
    "SCHEDULE",
    "SCHEDULES",
    "Clock",
    "Function",
    "State",
    "composed_of",
    "hyperparameters_of",
    "optimizers_of",
    "schedules_of",
]
