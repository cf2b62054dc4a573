from .beginning import load_source
from .declared import check_epochs, check_names, default_values
from .preparation import load, prepare
from .prepared import Prepared
from .resuming import source_of
from .updates import WORDS, Updates, known_of

__all__ = [
    "WORDS",
    "Prepared",
    "Updates",
    "check_epochs",
    "check_names",
    "default_values",
    "known_of",
    "load",
    "load_source",
    "prepare",
    "source_of",
]
