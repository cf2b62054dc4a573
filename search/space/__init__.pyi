from .axes import Axis, Floats, apart, nearest, settle, spread
from .cells import Cells, Gaps, among, repeats
from .dimension import COLUMNS, Dimension
from .plain import Value, named, plain
from .space import Space, of_names, parse, parse_assignments, range_meant

__all__ = [
    "COLUMNS",
    "Axis",
    "Cells",
    "Dimension",
    "Floats",
    "Gaps",
    "Space",
    "Value",
    "among",
    "apart",
    "named",
    "nearest",
    "of_names",
    "parse",
    "parse_assignments",
    "plain",
    "range_meant",
    "repeats",
    "settle",
    "spread",
]
