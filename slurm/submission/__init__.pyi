from .submission import KINDS as KINDS
from .submission import Submission as Submission
from .submission import is_array as is_array
from .submission import script as script

__all__ = [
    "KINDS",
    "Submission",
    "is_array",
    "script",
]
