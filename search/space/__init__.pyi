from .axes import Axis as Axis
from .axes import Floats as Floats
from .axes import apart as apart
from .axes import nearest as nearest
from .axes import settle as settle
from .axes import spread as spread
from .cells import Cells as Cells
from .cells import Gaps as Gaps
from .cells import among as among
from .cells import repeats as repeats
from .dimension import Dimension as Dimension
from .plain import Value as Value
from .plain import named as named
from .plain import plain as plain
from .space import Space as Space
from .space import of_names as of_names
from .space import parse as parse
from .space import parse_assignments as parse_assignments
from .space import range_meant as range_meant

__all__ = [
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
