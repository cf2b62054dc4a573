from . import ambient
from .standing import absolute, alone_with_generators, entered, made, settle, within
from .world import World

__all__ = [
    "World",
    "absolute",
    "alone_with_generators",
    "ambient",
    "entered",
    "made",
    "settle",
    "within",
]
