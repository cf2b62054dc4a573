from . import ledger
from .parameters import One, Stack
from .placing import reserved
from .reader import PROBLEM, RunFolder, stands
from .starting import Taken, free
from .writer import Writer, create

__all__ = [
    "PROBLEM",
    "One",
    "RunFolder",
    "Stack",
    "Taken",
    "Writer",
    "create",
    "free",
    "ledger",
    "reserved",
    "stands",
]
