from . import ambient
from .standing import absolute, entered, made, settle, within
from .world import World

__all__ = [
    "World",
    "absolute",
    "ambient",
    "entered",
    "made",
    "settle",
    "within",
]
