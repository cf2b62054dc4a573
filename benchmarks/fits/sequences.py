"""Recursions by their loss alone: a Kalman filter, and an equation by implicit steps.

Kalman    y (100,): a level that drifts, seen with noise; log q and log r, the variances of the
          drift and of the noise: mean negative log-likelihood
Implicit  y (30,): y' = a - b y³, by backward Euler steps of 0.1, each solved by three steps of
          Newton; log a and log b: mean squared error
"""

import torch
from loops import by_autograd, sgd

LENGTH = 100
STEPS, H, NEWTON = 30, 0.1, 3


class Kalman:
    space = {"lr": "1e-2:0.3:log", "momentum": "0:0.8"}

    def data(self):
        generator = torch.Generator().manual_seed(0)
        level = 0.3 * torch.randn(LENGTH, generator=generator).cumsum(dim=0)
        return level + 0.8 * torch.randn(LENGTH, generator=generator)

    def initial(self, seed):
        return {"p": 0.3 * torch.randn(2, generator=torch.Generator().manual_seed(seed)) - 1}

    def loss(self, params, data):
        q, r = params["p"].exp()
        mean, variance, total = torch.zeros(()), torch.ones(()), torch.zeros(())
        for t in range(LENGTH):
            variance = variance + q
            off, spread = data[t] - mean, variance + r
            total = total + spread.log() + off * off / spread
            gain = variance / spread
            mean, variance = mean + gain * off, (1 - gain) * variance
        return total / (2 * LENGTH)


def kalman(problem, seed, steps, report, lr, momentum):
    data = problem.data().unbind()

    def loss(params):
        q, r = params[0].exp().unbind()
        mean, variance, offs, spreads = torch.zeros(()), torch.ones(()), [], []
        for y in data:
            variance = variance + q
            off, spread = y - mean, variance + r
            offs.append(off)
            spreads.append(spread)
            gain = variance / spread
            mean, variance = torch.addcmul(mean, gain, off), gain * r  # (1 - gain) variance
        off, spread = torch.stack(offs), torch.stack(spreads)
        return (spread.log() + off * off / spread).sum() / (2 * LENGTH)

    params = list(problem.initial(seed).values())
    return by_autograd(loss, params, sgd(lr, momentum), steps, report)


def implicit_steps(a, b):
    y, states = torch.zeros(()), []
    for _ in range(STEPS):
        z = y
        for _ in range(NEWTON):
            z = z - (z - y - H * (a - b * z * z * z)) / (1 + 3 * H * b * z * z)
        y = z
        states.append(y)
    return torch.stack(states)


class Implicit:
    space = {"lr": "1e-2:0.3:log", "momentum": "0:0.8"}

    def data(self):
        noise = torch.randn(STEPS, generator=torch.Generator().manual_seed(0))
        return implicit_steps(torch.tensor(1.5), torch.tensor(0.8)) + 0.03 * noise

    def initial(self, seed):
        return {"p": 0.3 * torch.randn(2, generator=torch.Generator().manual_seed(seed))}

    def loss(self, params, data):
        a, b = params["p"].exp()
        return (implicit_steps(a, b) - data).square().mean()


def implicit(problem, seed, steps, report, lr, momentum):
    data = problem.data()

    def loss(params):
        a, b = params[0].exp().unbind()
        added, cubic = H * a, H * b
        y, states = torch.zeros(()), []
        for _ in range(STEPS):
            z, known = y, y + added
            for _ in range(NEWTON):
                # z - (z - y - H (a - b z³)) / (1 + 3 H b z²) over one denominator
                square = cubic * z * z
                z = torch.addcmul(known, square, z, value=2) / (1 + 3 * square)
            y = z
            states.append(y)
        return (torch.stack(states) - data).square().mean()

    params = list(problem.initial(seed).values())
    return by_autograd(loss, params, sgd(lr, momentum), steps, report)
