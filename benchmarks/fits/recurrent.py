"""A recurrent net that adds up what it has seen: thirty steps of sequences, by the loss alone.

x, y         shapes (64, 30), (64,)            sequences, and a smooth function of their mean
wx, wh, b    shapes (16,), (16, 16), (16,)     h ← tanh(x_t wx + h wh + b), from 0
wo, bo       shapes (16,), ()                  outcome h wo + bo
L            shape ()                          mean squared error
"""

import torch
from loops import by_autograd, sgd

SEQUENCES, LENGTH, WIDTH = 64, 30, 16


class Recurrent:
    space = {"lr": "1e-4:2e-3:log", "momentum": "0:0.5"}

    def data(self):
        x = torch.randn(SEQUENCES, LENGTH, generator=torch.Generator().manual_seed(0))
        return x, torch.sin(3 * x.mean(dim=1))

    def initial(self, seed):
        generator = torch.Generator().manual_seed(seed)
        return {
            "wx": torch.randn(WIDTH, generator=generator) / 2,
            "wh": torch.randn(WIDTH, WIDTH, generator=generator) / (2 * WIDTH**0.5),
            "b": torch.zeros(WIDTH),
            "wo": torch.randn(WIDTH, generator=generator) / WIDTH**0.5,
            "bo": torch.zeros(()),
        }

    def loss(self, params, data):
        x, y = data
        h = torch.zeros(SEQUENCES, WIDTH)
        for t in range(LENGTH):
            h = torch.tanh(x[:, t, None] * params["wx"] + h @ params["wh"] + params["b"])
        return (h @ params["wo"] + params["bo"] - y).square().mean()


def plain(problem, seed, steps, report, lr, momentum):
    x, y = problem.data()
    columns = x.T.contiguous()[:, :, None]

    def loss(params):
        wx, wh, b, wo, bo = params
        inputs = torch.addcmul(b, columns, wx).unbind()
        h = torch.tanh(inputs[0])
        for t in range(1, LENGTH):
            h = torch.addmm(inputs[t], h, wh).tanh()
        return (torch.mv(h, wo) + bo - y).square().mean()

    params = list(problem.initial(seed).values())
    return by_autograd(loss, params, sgd(lr, momentum), steps, report)
