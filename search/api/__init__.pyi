from .reading import fit, load
from .running import extend, run, search

__all__ = ["extend", "fit", "load", "run", "search"]
