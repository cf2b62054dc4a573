from .by_hand import ByHand
from .keys import KEY, key_of
from .loss import Given, Loss, joined, only
from .making import loss_of
from .module import OfModule

__all__ = [
    "KEY",
    "ByHand",
    "Given",
    "Loss",
    "OfModule",
    "joined",
    "key_of",
    "loss_of",
    "only",
]
