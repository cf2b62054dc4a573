from .optimizer import Optimizer, State
from .registry import OPTIMIZERS

__all__ = [
    "OPTIMIZERS",
    "Optimizer",
    "State",
]
