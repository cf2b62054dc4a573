from .amendment import (
    MAX_UPDATES,
    REPLICATES,
    STOP_WHEN,
    TRIALS,
    Stage,
    amendments_of,
    totals,
)
from .ends import ABOVE, BELOW, STALLED, UPDATES, End, Ended, ended_of, ends_of
from .layout import Span, layout_of
from .points import Point, points_of, same
from .sizes import MAX_PACK, MIN_PACK, power_of_two
from .steered import STEERED, Steered

__all__ = [
    "ABOVE",
    "BELOW",
    "MAX_PACK",
    "MAX_UPDATES",
    "MIN_PACK",
    "REPLICATES",
    "STALLED",
    "STEERED",
    "STOP_WHEN",
    "TRIALS",
    "UPDATES",
    "End",
    "Ended",
    "Point",
    "Span",
    "Stage",
    "Steered",
    "amendments_of",
    "ended_of",
    "ends_of",
    "layout_of",
    "points_of",
    "power_of_two",
    "same",
    "totals",
]
