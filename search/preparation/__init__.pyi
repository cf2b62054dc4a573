from .preparation import load, prepare
from .prepared import Prepared
from .single import fit_once

__all__ = [
    "Prepared",
    "fit_once",
    "load",
    "prepare",
]
