from .submission import KINDS, Submission, is_array, script

__all__ = [
    "KINDS",
    "Submission",
    "is_array",
    "script",
]
