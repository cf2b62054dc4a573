from .by_hand import ByHand
from .dropout import KEY, key_of
from .loss import Given, Loss, Made, joined, only
from .making import loss_of
from .module import OfModule
from .predict import Predict

__all__ = [
    "KEY",
    "ByHand",
    "Given",
    "Loss",
    "Made",
    "OfModule",
    "Predict",
    "joined",
    "key_of",
    "loss_of",
    "only",
]
