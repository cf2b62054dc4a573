from .drawing import Axis, drawn
from .moving import moving
from .printing import printed
from .text import age, cut, short, size, table, width

__all__ = [
    "Axis",
    "age",
    "cut",
    "drawn",
    "moving",
    "printed",
    "short",
    "size",
    "table",
    "width",
]
