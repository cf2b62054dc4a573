"""Robust regression by Student's t, whose scale and degrees of freedom are fitted too.

X, y  shapes (1000, 8), (1000,)   inputs and outcomes with heavy tails
w, b  shapes (8,), ()             centre X w + b
s, k  shape ()                    logarithms of the scale and of the degrees of freedom v
L     shape ()                    mean negative log-likelihood, + l2 |w|²
"""

import math

import torch
from loops import by_hand, sgd

ROWS, COLUMNS = 1000, 8


class StudentT:
    space = {"lr": "1e-2:0.3:log", "l2": "1e-5:0.1:log"}

    def data(self):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(ROWS, COLUMNS, generator=generator)
        noise = torch.randn(ROWS, generator=generator) / torch.rand(ROWS, generator=generator)
        return x, x @ torch.randn(COLUMNS, generator=generator) / 3 + 0.5 * noise

    def initial(self, seed):
        w = 0.1 * torch.randn(COLUMNS, generator=torch.Generator().manual_seed(seed))
        return {"w": w, "b": torch.zeros(()), "s": torch.zeros(()), "k": torch.ones(())}

    def loss(self, params, data, l2=0.0):
        x, y = data
        v = params["k"].exp()
        z = (y - x @ params["w"] - params["b"]) / params["s"].exp()
        constant = torch.lgamma((v + 1) / 2) - torch.lgamma(v / 2) - torch.log(v * math.pi) / 2
        nll = (v + 1) / 2 * torch.log1p(z * z / v) + params["s"] - constant
        return nll.mean() + l2 * params["w"].square().sum()


def plain(problem, seed, steps, report, lr, l2):
    x, y = problem.data()

    def gradient(params, wanted, step):
        w, b, s, k = params
        v, scale = k.exp(), s.exp()
        z = (y - torch.mv(x, w) - b) / scale
        squares = z * z / v
        logs = torch.log1p(squares).mean()
        half = (v + 1) / 2
        loss = None
        if wanted:
            constant = torch.lgamma(half) - torch.lgamma(v / 2) - torch.log(v * math.pi) / 2
            loss = half * logs + s - constant + l2 * torch.dot(w, w)
        # ∂L/∂z = (v + 1) z / (v + z²), of which X, 1 and z make the other gradients
        gz = (v + 1) / v * z / (1 + squares) / ROWS
        of_s = 1 - torch.dot(gz, z)
        digammas = (torch.digamma(half) - torch.digamma(v / 2)) / 2
        of_v = logs / 2 - half * (squares / (1 + squares)).mean() / v - digammas + 1 / (2 * v)
        back = gz / -scale
        return loss, [torch.addmv(w, x.T, back, beta=2 * l2), back.sum(), of_s, of_v * v]

    return by_hand(gradient, list(problem.initial(seed).values()), sgd(lr), steps, report)
