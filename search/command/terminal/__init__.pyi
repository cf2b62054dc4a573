from .drawing import Axis, drawn
from .moving import moving
from .printing import printed
from .text import age, short, size, table, width

__all__ = [
    "Axis",
    "age",
    "drawn",
    "moving",
    "printed",
    "short",
    "size",
    "table",
    "width",
]
