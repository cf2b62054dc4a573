"""More of a textbook's list: ridge, mixture, AR(2), principal components.

Ridge       X (500, 20), y (500,); w (20,): mean (X w - y)² + l2 |w|², by hand
Mixture     x (500, 2); four spherical normals with means (4, 2), log scales and log shares (4,):
            mean negative log-likelihood, by log-sum-exp
Series      y (500,); c, a, b: mean (y_t - c - a y_{t-1} - b y_{t-2})²
Components  X (200, 20); W (20, 3): mean |x - W Wᵀ x|²
"""

import torch
from loops import by_hand, sgd

ROWS, COLUMNS = 500, 20
POINTS, NORMALS = 500, 4
LENGTH = 500
SAMPLES, FEATURES, COMPONENTS = 200, 20, 3


class Ridge:
    space = {"lr": "1e-2:0.3:log", "l2": "1e-5:0.1:log"}

    def data(self):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(ROWS, COLUMNS, generator=generator)
        w = torch.randn(COLUMNS, generator=generator)
        return x, x @ w + torch.randn(ROWS, generator=generator)

    def initial(self, seed):
        return {"w": 0.1 * torch.randn(COLUMNS, generator=torch.Generator().manual_seed(seed))}

    def loss_and_gradient(self, params, data, l2=0.0):
        x, y = data
        w = params["w"]
        r = x @ w - y
        loss = (r * r).mean() + l2 * (w * w).sum()
        return loss, {"w": 2 * (r @ x) / len(y) + 2 * l2 * w}


def ridge(problem, seed, steps, report, lr, l2):
    x, y = problem.data()

    def gradient(params, wanted, step):
        (w,) = params
        r = torch.addmv(y, x, w, beta=-1)
        loss = torch.dot(r, r) / ROWS + l2 * torch.dot(w, w) if wanted else None
        return loss, [torch.addmv(w, x.T, r, beta=2 * l2, alpha=2 / ROWS)]

    return by_hand(gradient, list(problem.initial(seed).values()), sgd(lr), steps, report)


class Mixture:
    space = {"lr": "1e-2:0.3:log", "momentum": "0:0.8"}

    def data(self):
        generator = torch.Generator().manual_seed(0)
        middles = 3 * torch.randn(NORMALS, 2, generator=generator)
        return middles.repeat(POINTS // NORMALS, 1) + torch.randn(POINTS, 2, generator=generator)

    def initial(self, seed):
        generator = torch.Generator().manual_seed(seed)
        return {
            "means": 2 * torch.randn(NORMALS, 2, generator=generator),
            "scales": torch.zeros(NORMALS),
            "shares": torch.zeros(NORMALS),
        }

    def loss(self, params, data):
        squares = (data[:, None] - params["means"]).square().sum(dim=2)
        log_normal = -0.5 * squares * torch.exp(-2 * params["scales"]) - 2 * params["scales"]
        joint = torch.log_softmax(params["shares"], dim=0) + log_normal
        return -torch.logsumexp(joint, dim=1).mean()


def mixture(problem, seed, steps, report, lr, momentum):
    x = problem.data()
    columns, norms = x.T.contiguous(), x.square().sum(1)[:, None]

    def gradient(params, wanted, step):
        means, scales, shares = params
        precision = torch.exp(-2 * scales)
        lengths = means.square().sum(1)
        squares = torch.addmm(norms + lengths, x, means.T, alpha=-2)
        log_shares = torch.log_softmax(shares, 0)
        joint = torch.addcmul(log_shares - 2 * scales, squares, precision, value=-0.5)
        loss = -joint.logsumexp(1).mean() if wanted else None
        # shares of each point (n, 4), as the E step of EM has them
        p = torch.softmax(joint, 1)
        weight = p.mean(0)
        drawn = torch.mm(columns, p).T / POINTS
        of_means = (means * weight[:, None] - drawn) * precision[:, None]
        of_scales = 2 * weight - precision * (p * squares).mean(0)
        return loss, [of_means, of_scales, log_shares.exp() - weight]

    params = list(problem.initial(seed).values())
    return by_hand(gradient, params, sgd(lr, momentum), steps, report)


class Series:
    space = {"lr": "1e-3:0.1:log", "momentum": "0:0.8"}

    def data(self):
        noise = torch.randn(LENGTH, generator=torch.Generator().manual_seed(0)).tolist()
        y = [0.0, 0.0]
        for e in noise[2:]:
            y.append(0.2 + 0.6 * y[-1] + 0.2 * y[-2] + e)
        return torch.tensor(y)

    def initial(self, seed):
        return {"p": 0.1 * torch.randn(3, generator=torch.Generator().manual_seed(seed))}

    def loss(self, params, data):
        c, a, b = params["p"]
        return (data[2:] - c - a * data[1:-1] - b * data[:-2]).square().mean()


def series(problem, seed, steps, report, lr, momentum):
    y = problem.data()
    x = torch.stack([torch.ones(LENGTH - 2), y[1:-1], y[:-2]])
    columns, now = x.T.contiguous(), y[2:].contiguous()

    def gradient(params, wanted, step):
        r = torch.addmv(now, columns, params[0], beta=-1)
        loss = torch.dot(r, r) / len(r) if wanted else None
        return loss, [torch.mv(x, r).mul_(2 / len(r))]

    params = list(problem.initial(seed).values())
    return by_hand(gradient, params, sgd(lr, momentum), steps, report)


class Components:
    space = {"lr": "1e-3:5e-3:log", "momentum": "0:0.8"}

    def data(self):
        generator = torch.Generator().manual_seed(0)
        hidden = torch.randn(SAMPLES, COMPONENTS, generator=generator)
        mixed = hidden @ torch.randn(COMPONENTS, FEATURES, generator=generator)
        return mixed + 0.5 * torch.randn(SAMPLES, FEATURES, generator=generator)

    def initial(self, seed):
        generator = torch.Generator().manual_seed(seed)
        return {"w": 0.1 * torch.randn(FEATURES, COMPONENTS, generator=generator)}

    def loss(self, params, data):
        w = params["w"]
        return (data - data @ w @ w.T).square().sum() / SAMPLES


def components(problem, seed, steps, report, lr, momentum):
    x = problem.data()

    def gradient(params, wanted, step):
        (w,) = params
        scores = x @ w
        r = torch.addmm(x, scores, w.T, beta=-1)
        loss = r.square().sum() / SAMPLES if wanted else None
        return loss, [torch.addmm(x.T @ (r @ w), r.T, scores).mul_(2 / SAMPLES)]

    params = list(problem.initial(seed).values())
    return by_hand(gradient, params, sgd(lr, momentum), steps, report)
