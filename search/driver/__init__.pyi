from .execution import run_prepared
from .report import Report

__all__ = [
    "Report",
    "run_prepared",
]
