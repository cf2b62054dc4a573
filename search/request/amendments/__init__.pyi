from .amendment import REPLICATES, TRIALS, Amendment, amendments_of, first_of, stages_of, totals
from .layout import Layout, Span, layout_of
from .sizes import MAX_PACK, power_of_two

__all__ = [
    "MAX_PACK",
    "REPLICATES",
    "TRIALS",
    "Amendment",
    "Layout",
    "Span",
    "amendments_of",
    "first_of",
    "layout_of",
    "power_of_two",
    "stages_of",
    "totals",
]
