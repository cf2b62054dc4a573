"""Matrix factorisation by indices, all ratings in each update.

i, j, y  shape (1200,)            user, item and rating, drawn from a fixed seed
U, V     shapes (60, 4), (40, 4)  factors
L        shape ()                 mean of (U[i] · V[j] - y)² + l2 (|U[i]|² + |V[j]|²)
"""

import torch
from loops import by_hand, sgd

USERS, ITEMS, RANK, RATINGS = 60, 40, 4, 1200


class Factorisation:
    space = {"lr": "0.1:2:log", "l2": "1e-4:0.1:log"}

    def data(self):
        generator = torch.Generator().manual_seed(0)
        u = torch.randn(USERS, 3, generator=generator)
        v = torch.randn(ITEMS, 3, generator=generator)
        pairs = torch.randperm(USERS * ITEMS, generator=generator)[:RATINGS]
        i, j = pairs // ITEMS, pairs % ITEMS
        y = (u[i] * v[j]).sum(dim=1) + 0.5 * torch.randn(RATINGS, generator=generator)
        return {"i": i, "j": j, "y": y}

    def initial(self, seed):
        generator = torch.Generator().manual_seed(seed)
        return {
            "u": 0.5 * torch.randn(USERS, RANK, generator=generator),
            "v": 0.5 * torch.randn(ITEMS, RANK, generator=generator),
        }

    def loss(self, params, data, l2=0.0):
        u, v = params["u"][data["i"]], params["v"][data["j"]]
        r = (u * v).sum(dim=1) - data["y"]
        return (r * r + l2 * (u * u + v * v).sum(dim=1)).mean()


def plain(problem, seed, steps, report, lr, l2):
    i, j, y = problem.data().values()
    scale = 2 / RATINGS

    def gradient(params, wanted, step):
        u, v = params[0].index_select(0, i), params[1].index_select(0, j)
        r = (u * v).sum(1).sub_(y)
        loss = None
        if wanted:
            loss = (r.square().sum() + l2 * (u.square().sum() + v.square().sum())) / RATINGS
        r = r[:, None]
        gu = torch.zeros(USERS, RANK).index_add_(0, i, torch.addcmul(l2 * u, r, v), alpha=scale)
        gv = torch.zeros(ITEMS, RANK).index_add_(0, j, torch.addcmul(l2 * v, r, u), alpha=scale)
        return loss, [gu, gv]

    return by_hand(gradient, list(problem.initial(seed).values()), sgd(lr), steps, report)
