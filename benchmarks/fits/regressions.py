"""Regressions by their loss alone: Poisson, Huber, pinball, classes with weights.

X, y  shapes (1000, 8), (1000,)   inputs and outcomes, drawn from a fixed seed
w, b  shapes (8,), ()             z = X w + b
L     shape ()                    mean over rows, + l2 |w|²
"""

import torch
import torch.nn.functional as F
from loops import by_hand, sgd

ROWS, COLUMNS = 1000, 8


class Regression:
    space = {"lr": "1e-2:0.3:log", "l2": "1e-5:0.1:log"}

    def rows(self):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(ROWS, COLUMNS, generator=generator)
        z = x @ torch.randn(COLUMNS, generator=generator) / COLUMNS
        return x, z, generator

    def initial(self, seed):
        w = 0.1 * torch.randn(COLUMNS, generator=torch.Generator().manual_seed(seed))
        return {"w": w, "b": torch.zeros(())}


class Poisson(Regression):
    def data(self):
        x, z, generator = self.rows()
        return x, torch.poisson(z.exp(), generator=generator)

    def loss(self, params, data, l2=0.0):
        x, y = data
        z = x @ params["w"] + params["b"]
        return F.poisson_nll_loss(z, y) + l2 * params["w"].square().sum()


class Huber(Regression):
    def data(self):
        x, z, generator = self.rows()
        return x, z + torch.randn(ROWS, generator=generator) ** 3

    def loss(self, params, data, l2=0.0):
        x, y = data
        z = x @ params["w"] + params["b"]
        return F.huber_loss(z, y) + l2 * params["w"].square().sum()


class Pinball(Regression):
    data = Huber.data

    def loss(self, params, data, l2=0.0, quantile=0.9):
        x, y = data
        r = y - x @ params["w"] - params["b"]
        pinball = torch.maximum(quantile * r, (quantile - 1) * r).mean()
        return pinball + l2 * params["w"].square().sum()


class Classes(Regression):
    space = {**Regression.space, "positive": "1:5"}

    def data(self):
        x, z, generator = self.rows()
        return x, (z > 1 + torch.randn(ROWS, generator=generator)).float()

    def loss(self, params, data, l2=0.0, positive=1.0):
        x, y = data
        z = x @ params["w"] + params["b"]
        cross_entropy = F.binary_cross_entropy_with_logits(z, y, pos_weight=positive)
        return cross_entropy + l2 * params["w"].square().sum()


def plain(problem, seed, steps, report, lr, l2, of):
    """Fit by hand.

    Args:
        of: of z, y and whether it is wanted, the loss and n times its gradient by z.
    """
    x, y = problem.data()

    def gradient(params, wanted, step):
        w, b = params
        loss, g = of(torch.mv(x, w).add_(b), y, wanted)
        if wanted:
            loss = loss + l2 * torch.dot(w, w)
        return loss, [torch.addmv(w, x.T, g, beta=2 * l2, alpha=1 / ROWS), g.mean()]

    return by_hand(gradient, list(problem.initial(seed).values()), sgd(lr), steps, report)


def poisson(problem, seed, steps, report, lr, l2):
    def of(z, y, wanted):
        rate = z.exp()
        return (rate - y * z).mean() if wanted else None, rate.sub_(y)

    return plain(problem, seed, steps, report, lr, l2, of)


def huber(problem, seed, steps, report, lr, l2):
    def of(z, y, wanted):
        return F.huber_loss(z, y) if wanted else None, z.sub_(y).clamp_(-1, 1)

    return plain(problem, seed, steps, report, lr, l2, of)


def pinball(problem, seed, steps, report, lr, l2):
    quantile = 0.9

    def of(z, y, wanted):
        r = y - z
        loss = torch.maximum(quantile * r, (quantile - 1) * r).mean() if wanted else None
        return loss, (r < 0).float().sub_(quantile)

    return plain(problem, seed, steps, report, lr, l2, of)


def classes(problem, seed, steps, report, lr, l2, positive):
    _, y = problem.data()
    weight, of_ones = 1 + (positive - 1) * y, positive * y

    def of(z, y, wanted):
        loss = (weight * F.softplus(z) - of_ones * z).mean() if wanted else None
        return loss, torch.sigmoid_(z).mul_(weight).sub_(of_ones)

    return plain(problem, seed, steps, report, lr, l2, of)
