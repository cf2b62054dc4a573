from . import ambient, generators
from .standing import absolute, entered, made, settle, within
from .world import World

__all__ = [
    "World",
    "absolute",
    "ambient",
    "entered",
    "generators",
    "made",
    "settle",
    "within",
]
