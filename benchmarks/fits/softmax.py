"""Multinomial logistic regression on handwritten digits, all rows in each update; and with a weight
for each class.

    x, y  shapes (1085, 64), (1085,)   pixels from 0 to 1, and digit
    W, b  shapes (10, 64), (10,)       logits z = x Wᵀ + b
    c     shape (10,)                  weight of each class
    L     shape ()   mean of -log softmax(z)[y], weighted by c[y] where classes have weights,
                     + l2 |W|² / 2
"""

import torch
import torch.nn.functional as F
from loops import by_hand, sgd

from shoal.trainable.problems.shipped.digits.rows import Digits

PIXELS, CLASSES = 64, 10


class Softmax:
    space = {"lr": "1e-2:0.5:log", "l2": "1e-6:1e-2:log"}

    def data(self):
        return Digits().data()

    def initial(self, seed):
        generator = torch.Generator().manual_seed(seed)
        w = 0.01 * torch.randn(CLASSES, PIXELS, generator=generator)
        return {"w": w, "b": torch.zeros(CLASSES)}

    def loss(self, params, data, l2=0.0):
        z = data["x"] @ params["w"].T + params["b"]
        return F.cross_entropy(z, data["y"]) + l2 * params["w"].square().sum() / 2


class Weighted:
    space = Softmax.space

    def data(self):
        return {**Digits().data(), "weight": torch.linspace(0.5, 1.5, CLASSES)}

    initial = Softmax.initial

    def loss(self, params, data, l2=0.0):
        z = data["x"] @ params["w"].T + params["b"]
        cross_entropy = F.cross_entropy(z, data["y"], weight=data["weight"])
        return cross_entropy + l2 * params["w"].square().sum() / 2


def plain(problem, seed, steps, report, lr, l2):
    data = problem.data()
    x, y = data["x"], data["y"]
    t = F.one_hot(y, CLASSES).float()
    weight = data.get("weight", torch.ones(CLASSES))[y]
    share = (weight / weight.sum())[:, None]
    weighted = t * share

    def gradient(params, wanted, step):
        w, b = params
        z = torch.addmm(b, x, w.T)
        loss = None
        if wanted:
            loss = -(torch.log_softmax(z, 1) * weighted).sum() + l2 * w.square().sum() / 2
        gz = torch.softmax(z, 1).sub_(t).mul_(share)
        return loss, [torch.addmm(w, gz.T, x, beta=l2), gz.sum(0)]

    return by_hand(gradient, list(problem.initial(seed).values()), sgd(lr), steps, report)
