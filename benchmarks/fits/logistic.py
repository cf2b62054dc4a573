"""Logistic regression by hand: of 569 rows of 30 columns, as in the breast-cancer data, with
metrics of validation rows; and of 100,000 rows of 50 columns.

    X, y  shapes (n, p), (n,)   inputs and classes, drawn from a fixed seed
    w, b  shapes (p,), ()       score z = X w + b
    L     shape ()              mean of log(1 + exp z) - y z, + l2 |w|²
"""

import torch
import torch.nn.functional as F
from loops import by_hand, sgd

ROWS, COLUMNS, TRAIN = 569, 30, 400
LARGE_ROWS, LARGE_COLUMNS = 100_000, 50


def drawn(rows, columns):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, columns, generator=generator)
    z = x @ torch.randn(columns, generator=generator) / columns**0.5
    return x, (z > torch.randn(rows, generator=generator)).float()


class Cancer:
    space = {"lr": "1e-2:1:log", "l2": "1e-5:0.1:log"}
    objective = "accuracy:max"

    def data(self):
        x, y = drawn(ROWS, COLUMNS)
        return x[:TRAIN], y[:TRAIN]

    def validation(self):
        x, y = drawn(ROWS, COLUMNS)
        return x[TRAIN:], y[TRAIN:]

    def initial(self, seed):
        w = 0.1 * torch.randn(COLUMNS, generator=torch.Generator().manual_seed(seed))
        return {"w": w, "b": torch.zeros(())}

    def loss_and_gradient(self, params, data, l2=0.0):
        x, y = data
        w, b = params["w"], params["b"]
        z = x @ w + b
        loss = (F.softplus(z) - y * z).mean() + l2 * (w * w).sum()
        g = (torch.sigmoid(z) - y) / len(y)
        return loss, {"w": g @ x + 2 * l2 * w, "b": g.sum()}

    def metrics(self, params, validation):
        x, y = validation
        z = x @ params["w"] + params["b"]
        return {
            "validation_loss": (F.softplus(z) - y * z).mean(),
            "accuracy": ((z > 0) == (y > 0.5)).float().mean(),
        }


class Large:
    space = {"lr": "1e-2:1:log", "l2": "1e-5:0.1:log"}

    def data(self):
        return drawn(LARGE_ROWS, LARGE_COLUMNS)

    def initial(self, seed):
        w = 0.1 * torch.randn(LARGE_COLUMNS, generator=torch.Generator().manual_seed(seed))
        return {"w": w, "b": torch.zeros(())}

    loss_and_gradient = Cancer.loss_and_gradient


def gradient_of(x, y, l2):
    n = len(y)

    def gradient(params, wanted, step):
        w, b = params
        z = torch.mv(x, w).add_(b)
        loss = None
        if wanted:
            loss = (F.softplus(z) - y * z).mean() + l2 * torch.dot(w, w)
        g = torch.sigmoid_(z).sub_(y).div_(n)
        return loss, [torch.addmv(w, x.T, g, beta=2 * l2), g.sum()]

    return gradient


def plain(problem, seed, steps, report, lr, l2):
    params = list(problem.initial(seed).values())
    return by_hand(gradient_of(*problem.data(), l2), params, sgd(lr), steps, report)


def validated(problem, seed, steps, report, lr, l2):
    """The same with the metrics after each update whose loss is reported."""
    (w, b), update = problem.initial(seed).values(), sgd(lr)
    gradient, (x, y) = gradient_of(*problem.data(), l2), problem.validation()
    right = y > 0.5
    losses, metrics = [], []
    with torch.inference_mode():
        for step in range(steps):
            wanted = (step + 1) % report == 0
            loss, moved_by = gradient((w, b), wanted, step)
            update((w, b), moved_by)
            if wanted:
                losses.append(float(loss))
                z = torch.mv(x, w).add_(b)
                validation_loss = float((F.softplus(z) - y * z).mean())
                metrics.append((validation_loss, float(((z > 0) == right).float().mean())))
        return [*losses, float(gradient((w, b), True, steps)[0])]
