from . import ledger, rows
from .placing import reserved
from .reader import PROBLEM, RunFolder, stands
from .starting import Taken, free
from .writer import Writer, create

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
