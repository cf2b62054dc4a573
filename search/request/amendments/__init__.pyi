from .amendment import (
    MAX_UPDATES,
    REPLICATES,
    STOP_WHEN,
    TRIALS,
    Amendment,
    Stage,
    amendments_of,
    ends_at,
    first_of,
    stages_of,
    totals,
)
from .ends import ABOVE, BELOW, STALLED, UPDATES, End, Ended, Ends, ended_of, ends_of
from .layout import Layout, Span, layout_of
from .sizes import MAX_PACK, power_of_two

__all__ = [
    "ABOVE",
    "BELOW",
    "MAX_PACK",
    "MAX_UPDATES",
    "REPLICATES",
    "STALLED",
    "STOP_WHEN",
    "TRIALS",
    "UPDATES",
    "Amendment",
    "End",
    "Ended",
    "Ends",
    "Layout",
    "Span",
    "Stage",
    "amendments_of",
    "ended_of",
    "ends_at",
    "ends_of",
    "first_of",
    "layout_of",
    "power_of_two",
    "stages_of",
    "totals",
]
