from .axes import Axes as Axes
from .axes import Axis as Axis
from .axes import Dim as Dim
from .axes import flat as flat
from .loops import Index as Index
from .loops import Joint as Joint
from .loops import Loops as Loops
from .loops import Map as Map
from .loops import Operand as Operand
from .loops import Operation as Operation
from .loops import Reduction as Reduction
from .loops import Value as Value
from .loops import all_of as all_of
from .loops import needed as needed
from .loops import operands_of as operands_of
from .loops import over as over
from .loops import size as size
from .operators import COPY as COPY
from .operators import TRUTH as TRUTH
from .operators import NotLowered as NotLowered
from .operators import Operator as Operator
from .operators import mapped as mapped
from .operators import on_truth_values as on_truth_values
from .types import Kind as Kind
from .types import floating as floating
from .types import of_number as of_number
from .types import promoted as promoted

__all__ = [
    "COPY",
    "TRUTH",
    "Axes",
    "Axis",
    "Dim",
    "Index",
    "Joint",
    "Kind",
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
    "mapped",
    "needed",
    "of_number",
    "on_truth_values",
    "operands_of",
    "over",
    "promoted",
    "size",
]
