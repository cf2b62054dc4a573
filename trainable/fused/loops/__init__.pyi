from .axes import Axes, Axis, Dim, flat
from .grouping import grouped, passing
from .limits import Limits
from .loops import (
    Fed,
    Index,
    Joint,
    Loops,
    Map,
    Operand,
    Operation,
    Reduction,
    Value,
    all_of,
    needed,
    operands_of,
    over,
    size,
)
from .operators import COPY, TRUTH, NotLowered, Operator, has_operator, mapped, on_truth_values
from .resolving import resolved
from .types import Kind, floating, of_number, promoted

__all__ = [
    "COPY",
    "TRUTH",
    "Axes",
    "Axis",
    "Dim",
    "Fed",
    "Index",
    "Joint",
    "Kind",
    "Limits",
    "Loops",
    "Map",
    "NotLowered",
    "Operand",
    "Operation",
    "Operator",
    "Reduction",
    "Value",
    "all_of",
    "flat",
    "floating",
    "grouped",
    "has_operator",
    "mapped",
    "needed",
    "of_number",
    "on_truth_values",
    "operands_of",
    "over",
    "passing",
    "promoted",
    "resolved",
    "size",
]
