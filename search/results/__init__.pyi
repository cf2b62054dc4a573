from .result import Result as Result

__all__ = [
    "Result",
]
