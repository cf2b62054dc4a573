from .execution import run_prepared as run_prepared
from .report import Report as Report

__all__ = [
    "Report",
    "run_prepared",
]
