from .control import of_rows
from .hosts import FAULT_SECONDS, Hosts
from .mishaps import Mishaps

__all__ = [
    "FAULT_SECONDS",
    "Hosts",
    "Mishaps",
    "of_rows",
]
