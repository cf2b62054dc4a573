"""Convolutions by the loss alone: of series, and of images of handwritten digits.

One        series (128, 1, 64), y (128,)
           4 channels of 5 taps, relu, mean over time, linear; mean squared error
Two        images (128, 1, 8, 8), y (128,)
           8 channels of 3 x 3, relu, mean of each 2 x 2, linear 128-10; cross entropy
"""

import torch
import torch.nn.functional as F
from loops import by_autograd, sgd

from shoal.trainable.problems.shipped.digits.rows import Digits

SERIES, LENGTH, CHANNELS, TAPS = 128, 64, 4, 5
IMAGES, SIDE, MAPS, KERNEL, CLASSES = 128, 8, 8, 3, 10


class One:
    space = {"lr": "1e-2:0.2:log", "momentum": "0:0.9"}

    def data(self):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(SERIES, 1, LENGTH, generator=generator)
        return x, (x[:, 0, 1:] * x[:, 0, :-1]).clamp(min=0).mean(dim=1)

    def initial(self, seed):
        generator = torch.Generator().manual_seed(seed)
        return {
            "k": torch.randn(CHANNELS, 1, TAPS, generator=generator) / TAPS**0.5,
            "c": torch.zeros(CHANNELS),
            "w": torch.randn(CHANNELS, generator=generator) / 2,
            "b": torch.zeros(()),
        }

    def loss(self, params, data):
        x, y = data
        h = F.conv1d(x, params["k"], params["c"], padding=2).relu().mean(dim=2)
        return (h @ params["w"] + params["b"] - y).square().mean()


class Two:
    space = {"lr": "1e-2:0.2:log", "momentum": "0:0.9"}

    def data(self):
        rows = Digits().data()
        return rows["x"][:IMAGES].view(IMAGES, 1, SIDE, SIDE), rows["y"][:IMAGES]

    def initial(self, seed):
        generator = torch.Generator().manual_seed(seed)
        inputs = MAPS * (SIDE // 2) ** 2
        return {
            "k": torch.randn(MAPS, 1, KERNEL, KERNEL, generator=generator) / KERNEL,
            "c": torch.zeros(MAPS),
            "w": torch.randn(CLASSES, inputs, generator=generator) / inputs**0.5,
            "b": torch.zeros(CLASSES),
        }

    def loss(self, params, data):
        x, y = data
        h = F.conv2d(x, params["k"], params["c"], padding=1).relu()
        h = F.avg_pool2d(h, 2).flatten(1)
        return F.cross_entropy(h @ params["w"].T + params["b"], y)


def one(problem, seed, steps, report, lr, momentum):
    x, y = problem.data()

    def loss(params):
        k, c, w, b = params
        h = F.conv1d(x, k, c, padding=2).relu().mean(2)
        return F.mse_loss(torch.addmv(b, h, w), y)

    params = list(problem.initial(seed).values())
    return by_autograd(loss, params, sgd(lr, momentum), steps, report)


def two(problem, seed, steps, report, lr, momentum):
    x, y = problem.data()

    def loss(params):
        k, c, w, b = params
        h = F.avg_pool2d(F.conv2d(x, k, c, padding=1).relu(), 2).flatten(1)
        return F.cross_entropy(torch.addmm(b, h, w.T), y)

    params = list(problem.initial(seed).values())
    return by_autograd(loss, params, sgd(lr, momentum), steps, report)
