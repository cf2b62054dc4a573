from .optimizer import OPTIMIZERS, Optimizer, State

__all__ = [
    "OPTIMIZERS",
    "Optimizer",
    "State",
]
