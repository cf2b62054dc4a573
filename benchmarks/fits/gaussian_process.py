"""Regression by a Gaussian process: its three hyperparameters by the marginal likelihood.

x, y  shape (60,)   points of a noisy sine
p     shape (3,)    logarithms of length l, amplitude s and noise e
K     shape (60, 60)   s² exp(-(x - x')² / (2 l²)) + (e² + 0.01) I
L     shape ()      (yᵀ K⁻¹ y + log det K) / 120
"""

import torch
from loops import by_hand, sgd

POINTS, JITTER = 60, 0.01


class GaussianProcess:
    space = {"lr": "1e-2:0.3:log", "momentum": "0:0.8"}

    def data(self):
        generator = torch.Generator().manual_seed(0)
        x = 6 * torch.rand(POINTS, generator=generator)
        return x, torch.sin(x) + 0.3 * torch.randn(POINTS, generator=generator)

    def initial(self, seed):
        return {"p": 0.2 * torch.randn(3, generator=torch.Generator().manual_seed(seed)) - 0.3}

    def loss(self, params, data):
        x, y = data
        length, amplitude, noise = params["p"].exp()
        squares = (x[:, None] - x).square()
        k = amplitude**2 * torch.exp(-squares / (2 * length**2))
        factor = torch.linalg.cholesky(k + (noise**2 + JITTER) * torch.eye(POINTS))
        white = torch.linalg.solve_triangular(factor, y[:, None], upper=False)
        return (white.square().sum() + 2 * factor.diagonal().log().sum()) / (2 * POINTS)


def plain(problem, seed, steps, report, lr, momentum):
    x, y = problem.data()
    squares = (x[:, None] - x).square()

    def gradient(params, wanted, step):
        length, amplitude, noise = params[0].exp().tolist()
        k = torch.exp(squares * (-0.5 / length**2)).mul_(amplitude**2)
        whole = k.clone()
        whole.diagonal().add_(noise**2 + JITTER)
        factor = torch.linalg.cholesky(whole)
        inverse = torch.cholesky_inverse(factor)
        alpha = torch.mv(inverse, y)
        loss = None
        if wanted:
            log_det = 2 * factor.diagonal().log().sum()
            loss = (torch.dot(y, alpha) + log_det) / (2 * POINTS)
        # 2 n ∂L/∂θ = tr (K⁻¹ - α αᵀ) ∂K/∂θ   (Rasmussen & Williams 2006, equation 5.9)
        of_k = torch.addr(inverse, alpha, alpha, alpha=-1)
        weighted = of_k * k
        of_length = (weighted * squares).sum() / length**2
        of_noise = 2 * noise**2 * of_k.trace()
        g = torch.stack([of_length, 2 * weighted.sum(), of_noise])
        return loss, [g.div_(2 * POINTS)]

    params = list(problem.initial(seed).values())
    return by_hand(gradient, params, sgd(lr, momentum), steps, report)
