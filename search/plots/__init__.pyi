from .curves import curves
from .history import history
from .metrics import importance, metrics
from .pairs import contours
from .panels import Figure
from .slices import slices
from .trials import Trials

__all__ = [
    "Figure",
    "Trials",
    "contours",
    "curves",
    "history",
    "importance",
    "metrics",
    "slices",
]
