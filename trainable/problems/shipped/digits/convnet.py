"""A small convolutional net, as a module: which digit is written?

    x, y   as in `rows`: pixels, seen as images of shape (n, 1, 8, 8), and digit
    c      channels of the first convolution: a shape hyperparameter
    h1     shape (n, c, 4, 4)     3 x 3 convolution, relu, largest of each 2 x 2
    h2     shape (n, 2 c, 2, 2)   the same of h1
    z      shape (n, 10)          logits: a linear map of h2
    L      shape ()               loss: mean of -log softmax(z)[y], + l2 / 2 times the sum of
                                  squares of all weights (not of biases)

Each update takes 128 of the 1,085 rows. Parameters start as ``torch.nn`` draws them.

Source of the data: `rows`; the net is LeNet's pattern (Y. LeCun et al., Proceedings of the IEEE
86 (1998) 2278) at the size of these images.
"""

from __future__ import annotations

from torch import nn

from shoal.trainable.problems.shipped.digits.of_module import DigitsModule
from shoal.trainable.problems.shipped.digits.rows import CLASSES


class Convolutions(nn.Sequential):
    """Two convolutions and a linear map: logits, shape (n, 10), of pixels, shape (n, 64)."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Unflatten(1, (1, 8, 8)),
            nn.Conv2d(1, channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, 2 * channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(8 * channels, CLASSES),
        )


class ConvNet(DigitsModule):
    """Mean cross entropy of a convolutional net; validation rows tell its accuracy."""

    def __init__(self, channels: int = 8) -> None:
        """Take the channels of the first convolution; the second has twice as many."""
        self.channels = channels

    def module(self) -> nn.Module:
        """Return the net, as torch initialises it."""
        return Convolutions(self.channels)
