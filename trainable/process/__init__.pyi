from . import ambient as ambient
from .standing import absolute as absolute
from .standing import entered as entered
from .standing import made as made
from .standing import settle as settle
from .standing import within as within
from .world import World as World

__all__ = [
    "World",
    "absolute",
    "ambient",
    "entered",
    "made",
    "settle",
    "within",
]
