from .kinds import KINDS
from .submission import Submission, is_array, script

__all__ = [
    "KINDS",
    "Submission",
    "is_array",
    "script",
]
