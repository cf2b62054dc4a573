from .assembly import Assembly, named
from .elementwise import elementwise
from .joining import beside_zeros, spread
from .methods import METHODS
from .nodes import base, blamed, check, is_in_place, is_same, of_lanes, of_new
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
    "base",
    "beside_zeros",
    "blamed",
    "check",
    "elementwise",
    "is_in_place",
    "is_same",
    "name_of",
    "named",
    "of_lanes",
    "of_new",
    "spread",
]
