from .declared import check_names, default_values, optimizers_of
from .preparation import load, load_source, prepare
from .prepared import Prepared
from .resuming import source_of

__all__ = [
    "Prepared",
    "check_names",
    "default_values",
    "load",
    "load_source",
    "optimizers_of",
    "prepare",
    "source_of",
]
