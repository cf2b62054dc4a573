from .axis import of_hyperparameter, of_numbers, of_objective, text
from .curves import curves
from .history import best_so_far, history
from .metrics import importance, metrics
from .pairs import contours
from .panels import Figure, Panel, empty, figure
from .parallel import parallel
from .slices import slices
from .trials import Trials

__all__ = [
    "Figure",
    "Panel",
    "Trials",
    "best_so_far",
    "contours",
    "curves",
    "empty",
    "figure",
    "history",
    "importance",
    "metrics",
    "of_hyperparameter",
    "of_numbers",
    "of_objective",
    "parallel",
    "slices",
    "text",
]
