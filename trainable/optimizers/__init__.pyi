from .composed import hyperparameters_of
from .methods import Clock, Function, State
from .own import composed_of
from .registry import OPTIMIZERS

__all__ = [
    "OPTIMIZERS",
    "Clock",
    "Function",
    "State",
    "composed_of",
    "hyperparameters_of",
]
