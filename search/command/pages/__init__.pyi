from .live import watch
from .report import report

__all__ = ["report", "watch"]
