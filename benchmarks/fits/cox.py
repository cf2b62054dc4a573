"""Cox regression: the partial likelihood needs a running sum over those still at risk.

X, e  shapes (500, 8), (500,)   inputs from the latest time to the first, and whether it is an
                                event (1) or the end of watching (0)
w     shape (8,)                score z = X w
L     shape ()                  mean of -e (z - log Σ exp z of all later), + l2 |w|²
"""

import torch
from loops import by_hand, sgd

ROWS, COLUMNS = 500, 8


class Cox:
    space = {"lr": "1e-2:0.5:log", "l2": "1e-5:0.1:log"}

    def data(self):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(ROWS, COLUMNS, generator=generator)
        z = x @ torch.randn(COLUMNS, generator=generator) / 3
        time = -torch.log(torch.rand(ROWS, generator=generator)) / z.exp()
        event = (torch.rand(ROWS, generator=generator) < 0.7).float()
        order = time.argsort(descending=True)
        return x[order], event[order]

    def initial(self, seed):
        return {"w": 0.1 * torch.randn(COLUMNS, generator=torch.Generator().manual_seed(seed))}

    def loss(self, params, data, l2=0.0):
        x, event = data
        z = x @ params["w"]
        at_risk = z.exp().cumsum(dim=0)
        return -(event * (z - at_risk.log())).mean() + l2 * params["w"].square().sum()


def plain(problem, seed, steps, report, lr, l2):
    x, event = problem.data()
    minus = -event

    def gradient(params, wanted, step):
        (w,) = params
        z = torch.mv(x, w)
        e = z.exp()
        at_risk = e.cumsum(0)
        loss = None
        if wanted:
            loss = torch.dot(minus, z - at_risk.log()) / ROWS + l2 * torch.dot(w, w)
        # ∂L/∂z_i = (-e_i + exp z_i Σ over j ≥ i of e_j / at risk_j) / n
        shares = event / at_risk
        after = shares.sum() - shares.cumsum(0) + shares
        return loss, [
            torch.addmv(w, x.T, torch.addcmul(minus, e, after), beta=2 * l2, alpha=1 / ROWS)
        ]

    return by_hand(gradient, list(problem.initial(seed).values()), sgd(lr), steps, report)
