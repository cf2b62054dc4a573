from .activity import active_at, blanked, centred, deviations, is_conditional, middles
from .axes import Axis, Floats, apart, nearest, settle, spread
from .branches import cells_of
from .cells import Cells, Gaps, among, repeats
from .conditions import Alternatives, Condition, as_plain, of_plain, text_of
from .dimension import COLUMNS, Dimension
from .plain import Value, named, plain, read, sort_of
from .searched import Searched
from .space import Space, of_names, parse, parse_assignments, range_meant

__all__ = [
    "COLUMNS",
    "Alternatives",
    "Axis",
    "Cells",
    "Condition",
    "Dimension",
    "Floats",
    "Gaps",
    "Searched",
    "Space",
    "Value",
    "active_at",
    "among",
    "apart",
    "as_plain",
    "blanked",
    "cells_of",
    "centred",
    "deviations",
    "is_conditional",
    "middles",
    "named",
    "nearest",
    "of_names",
    "of_plain",
    "parse",
    "parse_assignments",
    "plain",
    "range_meant",
    "read",
    "repeats",
    "settle",
    "sort_of",
    "spread",
    "text_of",
]
