"""The course's fit: y = sin(x) by a cubic over 2,000 points, by hand.

x, y        shape (2000,)   points of [-π, π] and their sines
a, b, c, d  shape ()        parameters
L           shape ()        Σ (a + b x + c x² + d x³ - y)²
"""

import math

import torch
from loops import by_hand, sgd

POINTS = 2000


class Cubic:
    space = {"lr": "1e-7:2e-6:log"}

    def data(self):
        x = torch.linspace(-math.pi, math.pi, POINTS)
        return x, torch.sin(x)

    def initial(self, seed):
        generator = torch.Generator().manual_seed(seed)
        return {name: torch.randn((), generator=generator) for name in "abcd"}

    def loss_and_gradient(self, params, data):
        x, y = data
        a, b, c, d = (params[name] for name in "abcd")
        r = a + b * x + c * x**2 + d * x**3 - y
        return (r * r).sum(), {
            "a": 2 * r.sum(),
            "b": 2 * (r * x).sum(),
            "c": 2 * (r * x**2).sum(),
            "d": 2 * (r * x**3).sum(),
        }


def course(problem, seed, steps, report, lr):
    """The course's own loop."""
    x, y = problem.data()
    a, b, c, d = problem.initial(seed).values()

    losses = []
    with torch.inference_mode():
        for step in range(steps):
            r = a + b * x + c * x**2 + d * x**3 - y
            if (step + 1) % report == 0:
                losses.append(float(r.square().sum()))
            g = 2.0 * r
            a = a - lr * g.sum()
            b = b - lr * (g * x).sum()
            c = c - lr * (g * x**2).sum()
            d = d - lr * (g * x**3).sum()
        r = a + b * x + c * x**2 + d * x**3 - y
        return [*losses, float(r.square().sum())]


def tuned(problem, seed, steps, report, lr):
    """The fastest that we know of eager torch: two matrix-vector products a step."""
    x, y = problem.data()
    X, minus_y = torch.stack([x**0, x, x**2, x**3]), -y
    columns, r = X.T, torch.empty(POINTS)  # a contiguous copy of the columns is slower
    start = torch.stack(list(problem.initial(seed).values()))

    def gradient(params, wanted, step):
        torch.addmv(minus_y, columns, params[0], out=r)
        return torch.dot(r, r) if wanted else None, [X @ r]

    return by_hand(gradient, [start], sgd(2 * lr), steps, report)
