from .assembly import Assembly, named
from .elementwise import elementwise
from .joining import beside_zeros, spread, with_gaps
from .methods import METHODS
from .shared import name_of
from .view import Opaque, View
from .views import RESHAPES, VIEWS

__all__ = [
    "METHODS",
    "RESHAPES",
    "VIEWS",
    "Assembly",
    "Opaque",
    "View",
    "beside_zeros",
    "elementwise",
    "name_of",
    "named",
    "spread",
    "with_gaps",
]
