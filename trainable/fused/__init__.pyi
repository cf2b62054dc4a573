from .lowering import LANES as LANES
from .lowering import lower as lower

__all__ = [
    "LANES",
    "lower",
]
