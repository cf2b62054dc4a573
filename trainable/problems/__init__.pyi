from .calls import LOSS, Calls, data_of, initial_of, loss_of
from .finding import changed, find, installed, lying_now
from .problem import Hyperparameters, Leaves, Params, hyperparameters, leaves, like, names
from .registry import PROBLEMS
from .source import Source, of_copies
from .values import cast, describe, doubled, kind, rebuilt, same, structure, tensors, to_device

__all__ = [
    "LOSS",
    "PROBLEMS",
    "Calls",
    "Hyperparameters",
    "Leaves",
    "Params",
    "Source",
    "cast",
    "changed",
    "data_of",
    "describe",
    "doubled",
    "find",
    "hyperparameters",
    "initial_of",
    "installed",
    "kind",
    "leaves",
    "like",
    "loss_of",
    "lying_now",
    "names",
    "of_copies",
    "rebuilt",
    "same",
    "structure",
    "tensors",
    "to_device",
]
