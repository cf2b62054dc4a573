from .exporting import export
from .result import Result

__all__ = [
    "Result",
    "export",
]
