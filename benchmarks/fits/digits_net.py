"""A net of one hidden layer on handwritten digits, 64-k-10: by hand, by its loss, as a module.

x, y    shapes (n, 64), (n,)   pixels from 0 to 1, and digit; n = 1,085, 128 an update
W1, b1  shapes (k, 64), (k,)   hidden layer a = tanh(x W1ᵀ + b1)
W2, b2  shapes (10, k), (10,)  logits z = a W2ᵀ + b2
L       shape ()               mean of -log softmax(z)[y]
"""

import torch
import torch.nn.functional as F
from loops import adam, batches, descend, sgd
from torch import nn

from shoal.trainable.problems.shipped.digits.rows import Digits

PIXELS, CLASSES = 64, 10
BATCH = 128


class ByHand:
    space = {"lr": "1e-2:0.3:log", "momentum": "0:0.9", "weight_decay": "1e-6:1e-3:log"}
    batch = BATCH

    def __init__(self, width=16):
        self.width = width

    def data(self):
        return Digits().data()

    def initial(self, seed):
        generator = torch.Generator().manual_seed(seed)
        return {
            "w1": torch.randn(self.width, PIXELS, generator=generator) / 8,
            "b1": torch.zeros(self.width),
            "w2": torch.randn(CLASSES, self.width, generator=generator) / self.width**0.5,
            "b2": torch.zeros(CLASSES),
        }

    def loss_and_gradient(self, params, data):
        x, y = data["x"], data["y"]
        a = torch.tanh(x @ params["w1"].T + params["b1"])
        log_p = torch.log_softmax(a @ params["w2"].T + params["b2"], dim=1)
        t = (y[:, None] == torch.arange(CLASSES)).to(x.dtype)
        loss = -(log_p * t).sum() / len(y)
        gz = (log_p.exp() - t) / len(y)
        gu = (gz @ params["w2"]) * (1 - a * a)
        return loss, {
            "w1": gu.T @ x,
            "b1": gu.sum(dim=0),
            "w2": gz.T @ a,
            "b2": gz.sum(dim=0),
        }


class ByLoss:
    space = ByHand.space
    batch = BATCH

    def __init__(self, width=16):
        self.width = width

    data = ByHand.data
    initial = ByHand.initial

    def loss(self, params, data):
        a = torch.tanh(data["x"] @ params["w1"].T + params["b1"])
        return F.cross_entropy(a @ params["w2"].T + params["b2"], data["y"])


class ByModule:
    space = {"lr": "1e-3:3e-2:log", "weight_decay": "1e-6:1e-3:log", "optimizer": "adam"}
    batch = BATCH

    def __init__(self, width=16):
        self.width = width

    data = ByHand.data

    def module(self):
        return nn.Sequential(
            nn.Linear(PIXELS, self.width), nn.Tanh(), nn.Linear(self.width, CLASSES)
        )

    def loss(self, predict, data):
        return F.cross_entropy(predict(data["x"]), data["y"])


def by_sgd(problem, seed, steps, report, lr, momentum, weight_decay):
    params = list(problem.initial(seed).values())
    return plain(problem, seed, steps, report, params, sgd(lr, momentum, weight_decay))


def by_adam(problem, seed, steps, report, lr, weight_decay):
    torch.manual_seed(seed)
    params = [tensor.detach() for tensor in problem.module().parameters()]
    return plain(problem, seed, steps, report, params, adam(lr, weight_decay))


def plain(problem, seed, steps, report, params, update):
    x, y = problem.data().values()
    t = F.one_hot(y, CLASSES).float()
    rows = batches(len(x), BATCH)

    def of(params, x, t, wanted):
        w1, b1, w2, b2 = params
        a = torch.addmm(b1, x, w1.T).tanh_()
        z = torch.addmm(b2, a, w2.T)
        loss = -(torch.log_softmax(z, 1) * t).sum() / len(x) if wanted else None
        gz = torch.softmax(z, 1).sub_(t).div_(len(x))
        gu = torch.ops.aten.tanh_backward(gz @ w2, a)
        return loss, [gu.T @ x, gu.sum(0), gz.T @ a, gz.sum(0)]

    def gradient(params, wanted, step):
        which = rows.at(seed, step)
        return of(params, x[which], t[which], wanted)

    with torch.inference_mode():
        losses = descend(gradient, params, update, steps, report)
        return [*losses, float(of(params, x, t, True)[0])]
