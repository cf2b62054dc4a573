"""What is torch's own to do: Cholesky factors, eigenvalues, sorting, Fourier transforms.

Covariance  A (50, 50): the likelihood of a sample covariance S under Σ = A Aᵀ / 50 + I / 10
            L = log det Σ + tr Σ⁻¹ S, by the Cholesky factor of Σ
Spectrum    A (20, 20): L = Σ (eigenvalues of A + Aᵀ, minus a spectrum)²
Quantiles   a, b, c: L = mean of (sorted a + b u + c u², minus sorted y)², 500 draws u
Filter      k (256,): L = mean of (k convolved with x, around a ring, minus y)² + l2 |k|²
"""

import torch
from loops import by_hand, sgd

SIDE = 50
MODES = 20
DRAWS = 500
RING = 256


class Covariance:
    space = {"lr": "1e-2:0.2:log", "momentum": "0:0.8"}

    def data(self):
        generator = torch.Generator().manual_seed(0)
        mixed = torch.randn(SIDE, SIDE, generator=generator) / SIDE**0.5
        rows = torch.randn(200, SIDE, generator=generator) @ mixed
        return rows.T @ rows / 200 + 0.1 * torch.eye(SIDE)

    def initial(self, seed):
        return {"a": torch.randn(SIDE, SIDE, generator=torch.Generator().manual_seed(seed))}

    def loss(self, params, data):
        a = params["a"]
        factor = torch.linalg.cholesky(a @ a.T / SIDE + 0.1 * torch.eye(SIDE))
        white = torch.linalg.solve_triangular(factor, data, upper=False)
        both = torch.linalg.solve_triangular(factor, white.T, upper=False)
        return (2 * factor.diagonal().log().sum() + both.diagonal().sum()) / SIDE


def covariance(problem, seed, steps, report, lr, momentum):
    data, ridge = problem.data(), 0.1 * torch.eye(SIDE)

    def gradient(params, wanted, step):
        (a,) = params
        factor = torch.linalg.cholesky(torch.addmm(ridge, a, a.T, alpha=1 / SIDE))
        inverse = torch.cholesky_inverse(factor)
        product = inverse @ data
        loss = None
        if wanted:
            loss = (2 * factor.diagonal().log().sum() + product.trace()) / SIDE
        # ∂L/∂Σ = (Σ⁻¹ - Σ⁻¹ S Σ⁻¹) / 50
        of_sigma = torch.addmm(inverse, product, inverse, alpha=-1)
        return loss, [(of_sigma @ a).mul_(2 / SIDE**2)]

    params = list(problem.initial(seed).values())
    return by_hand(gradient, params, sgd(lr, momentum), steps, report)


class Spectrum:
    space = {"lr": "1e-4:5e-3:log", "momentum": "0:0.8"}

    def data(self):
        return torch.linspace(-5, 5, MODES)

    def initial(self, seed):
        return {"a": torch.randn(MODES, MODES, generator=torch.Generator().manual_seed(seed))}

    def loss(self, params, data):
        values = torch.linalg.eigvalsh(params["a"] + params["a"].T)
        return (values - data).square().sum()


def spectrum(problem, seed, steps, report, lr, momentum):
    data = problem.data()

    def gradient(params, wanted, step):
        (a,) = params
        values, vectors = torch.linalg.eigh(a + a.T)
        off = values.sub_(data)
        loss = torch.dot(off, off) if wanted else None
        # ∂λ/∂(A + Aᵀ) = v vᵀ, which is symmetric
        return loss, [((vectors * (4 * off)) @ vectors.T)]

    params = list(problem.initial(seed).values())
    return by_hand(gradient, params, sgd(lr, momentum), steps, report)


class Quantiles:
    space = {"lr": "1e-3:5e-2:log", "momentum": "0:0.8"}

    def data(self):
        generator = torch.Generator().manual_seed(0)
        u, y = torch.randn(2, DRAWS, generator=generator)
        return u, (1 + 2 * y + 0.3 * y * y).sort().values

    def initial(self, seed):
        return {"p": torch.randn(3, generator=torch.Generator().manual_seed(seed))}

    def loss(self, params, data):
        u, y = data
        a, b, c = params["p"]
        return ((a + b * u + c * u * u).sort().values - y).square().mean()


def quantiles(problem, seed, steps, report, lr, momentum):
    u, y = problem.data()
    powers = torch.stack([torch.ones(DRAWS), u, u * u])
    columns = powers.T.contiguous()

    def gradient(params, wanted, step):
        values, order = torch.mv(columns, params[0]).sort()
        off = values.sub_(y)
        loss = torch.dot(off, off) / DRAWS if wanted else None
        moved = torch.empty(DRAWS)
        moved[order] = off
        return loss, [torch.mv(powers, moved).mul_(2 / DRAWS)]

    params = list(problem.initial(seed).values())
    return by_hand(gradient, params, sgd(lr, momentum), steps, report)


class Filter:
    space = {"lr": "1e-2:0.1:log", "l2": "1e-5:0.1:log"}

    def data(self):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(RING, generator=generator)
        k = torch.exp(-torch.arange(RING) / 5.0)
        y = torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(k), n=RING)
        return x, y + 0.1 * torch.randn(RING, generator=generator)

    def initial(self, seed):
        return {"k": 0.1 * torch.randn(RING, generator=torch.Generator().manual_seed(seed))}

    def loss(self, params, data, l2=0.0):
        x, y = data
        made = torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(params["k"]), n=RING)
        return (made - y).square().mean() + l2 * params["k"].square().sum()


def filtered(problem, seed, steps, report, lr, l2):
    x, y = problem.data()
    of_x = torch.fft.rfft(x)
    back = of_x.conj().resolve_conj()

    def gradient(params, wanted, step):
        (k,) = params
        off = torch.fft.irfft(of_x * torch.fft.rfft(k), n=RING).sub_(y)
        loss = torch.dot(off, off) / RING + l2 * torch.dot(k, k) if wanted else None
        g = torch.fft.irfft(back * torch.fft.rfft(off), n=RING)
        return loss, [g.mul_(2 / RING).add_(k, alpha=2 * l2)]

    return by_hand(gradient, list(problem.initial(seed).values()), sgd(lr), steps, report)
