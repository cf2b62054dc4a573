from . import ledger as ledger
from . import rows as rows
from .placing import reserved as reserved
from .reader import PROBLEM as PROBLEM
from .reader import RunFolder as RunFolder
from .reader import stands as stands
from .starting import Taken as Taken
from .starting import free as free
from .writer import Writer as Writer
from .writer import create as create

__all__ = [
    "PROBLEM",
    "RunFolder",
    "Taken",
    "Writer",
    "create",
    "free",
    "ledger",
    "reserved",
    "rows",
    "stands",
]
