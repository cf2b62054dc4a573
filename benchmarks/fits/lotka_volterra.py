"""Rates of predators and prey from a noisy series: fifty steps of Runge and Kutta's fourth order,
whose gradient torch.func makes.

    p        shape (4,)     logarithms of the rates a, b, c, d: the parameters
    x' = a x - b x y,  y' = d x y - c y
    series   shape (50, 2)  x and y at each step of 0.2, with noise
    L        shape ()       mean squared error
"""

import torch
from loops import by_autograd, sgd

STEPS, H = 50, 0.2


def slope(rates, state):
    a, b, c, d = rates
    x, y = state[0], state[1]
    return torch.stack([x * (a - b * y), y * (d * x - c)])


def series(rates):
    state, states = torch.ones(2), []
    for _ in range(STEPS):
        k1 = slope(rates, state)
        k2 = slope(rates, state + H / 2 * k1)
        k3 = slope(rates, state + H / 2 * k2)
        k4 = slope(rates, state + H * k3)
        state = state + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        states.append(state)
    return torch.stack(states)


class LotkaVolterra:
    space = {"lr": "1e-4:1e-2:log", "momentum": "0:0.9"}

    def data(self):
        noise = torch.randn(STEPS, 2, generator=torch.Generator().manual_seed(0))
        return series(torch.tensor([0.7, 0.9, 0.8, 0.6])) + 0.05 * noise

    def initial(self, seed):
        drawn = torch.randn(4, generator=torch.Generator().manual_seed(seed))
        return {"p": 0.1 * drawn - 0.3}

    def loss(self, params, data):
        return (series(params["p"].exp()) - data).square().mean()


def plain(problem, seed, steps, report, lr, momentum):
    data = problem.data()
    of_x, of_y = (column.contiguous() for column in data.unbind(1))

    def loss(params):
        a, b, c, d = params[0].exp().unbind()
        x, y = torch.ones(()), torch.ones(())

        def slope(x, y):
            return x * (a - b * y), y * (d * x - c)

        xs, ys = [], []
        for _ in range(STEPS):
            x1, y1 = slope(x, y)
            x2, y2 = slope(torch.add(x, x1, alpha=H / 2), torch.add(y, y1, alpha=H / 2))
            x3, y3 = slope(torch.add(x, x2, alpha=H / 2), torch.add(y, y2, alpha=H / 2))
            x4, y4 = slope(torch.add(x, x3, alpha=H), torch.add(y, y3, alpha=H))
            x = torch.add(x, x1 + x4 + torch.add(x2, x3) * 2, alpha=H / 6)
            y = torch.add(y, y1 + y4 + torch.add(y2, y3) * 2, alpha=H / 6)
            xs.append(x)
            ys.append(y)
        off = (torch.stack(xs) - of_x).square().sum() + (torch.stack(ys) - of_y).square().sum()
        return off / (2 * STEPS)

    params = list(problem.initial(seed).values())
    return by_autograd(loss, params, sgd(lr, momentum), steps, report)
