from .preparation import load as load
from .preparation import prepare as prepare
from .prepared import Prepared as Prepared
from .single import fit_once as fit_once

__all__ = [
    "Prepared",
    "fit_once",
    "load",
    "prepare",
]
