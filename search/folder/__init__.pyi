from . import ledger
from .parameters import One, Stack
from .placing import create, reserved
from .reader import PROBLEM, RunFolder
from .starting import Taken, free, stands
from .writer import Writer

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
