from .calls import LOSS as LOSS
from .calls import Calls as Calls
from .calls import data_of as data_of
from .calls import initial_of as initial_of
from .calls import loss_of as loss_of
from .finding import changed as changed
from .finding import find as find
from .finding import installed as installed
from .finding import lying_now as lying_now
from .problem import Hyperparameters as Hyperparameters
from .problem import Leaves as Leaves
from .problem import Params as Params
from .problem import hyperparameters as hyperparameters
from .problem import leaves as leaves
from .problem import like as like
from .problem import names as names
from .registry import PROBLEMS as PROBLEMS
from .source import Source as Source
from .source import of_copies as of_copies
from .values import cast as cast
from .values import describe as describe
from .values import doubled as doubled
from .values import kind as kind
from .values import rebuilt as rebuilt
from .values import same as same
from .values import structure as structure
from .values import tensors as tensors
from .values import to_device as to_device

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
