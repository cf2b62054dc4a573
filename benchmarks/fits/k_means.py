"""k-means by gradient: each point is drawn to the nearest centre.

x  shape (500, 2)   points of five clusters
c  shape (5, 2)     centres
L  shape ()         mean of |x - c[nearest]|²
"""

import torch
from loops import by_hand, sgd

POINTS, CENTRES = 500, 5


class KMeans:
    space = {"lr": "0.05:1:log", "momentum": "0:0.8"}

    def data(self):
        generator = torch.Generator().manual_seed(0)
        middles = 3 * torch.randn(CENTRES, 2, generator=generator)
        return middles.repeat(POINTS // CENTRES, 1) + torch.randn(POINTS, 2, generator=generator)

    def initial(self, seed):
        return {"c": 2 * torch.randn(CENTRES, 2, generator=torch.Generator().manual_seed(seed))}

    def loss(self, params, data):
        squares = (data[:, None] - params["c"]).square().sum(dim=2)
        nearest = squares.argmin(dim=1)
        return (data - params["c"][nearest]).square().sum(dim=1).mean()


def plain(problem, seed, steps, report, lr, momentum):
    x = problem.data()
    twice = 2 * x

    def gradient(params, wanted, step):
        (c,) = params
        # |x - c|² but for |x|², which is the same for all centres
        nearest = torch.addmm(c.square().sum(1), twice, c.T, alpha=-1).argmin(1)
        off = c.index_select(0, nearest).sub_(x)
        loss = off.square().sum() / POINTS if wanted else None
        return loss, [torch.zeros(CENTRES, 2).index_add_(0, nearest, off, alpha=2 / POINTS)]

    params = list(problem.initial(seed).values())
    return by_hand(gradient, params, sgd(lr, momentum), steps, report)
