"""Ridge regression by gradient descent: a problem of one's own.

shoal run examples/ridge.py:Ridge --space lr=1e-4:1e-2:log --space l2=1e-6:1:log
"""

import torch


class Ridge:
    # What shoal run searches if you say nothing else.
    space = {"lr": "1e-4:1e-2:log", "l2": "1e-6:1:log"}

    # Keyword parameters here are shape hyperparameters: they change the tensors' shapes.
    def __init__(self, degree=5):
        self.degree = degree

    # What every fit shares: inputs (degree + 1, 200) and targets (200,).
    def data(self):
        x = torch.linspace(-1, 1, 200)
        return torch.stack([x**k for k in range(self.degree + 1)]), torch.sin(3 * x)

    # Where one fit starts. All that is random comes from the seed.
    def initial(self, seed):
        generator = torch.Generator().manual_seed(seed)
        return {"w": torch.randn(self.degree + 1, generator=generator)}

    # One fit: the loss, and its gradient by hand. Keyword parameters are its hyperparameters.
    def loss_and_gradient(self, params, data, l2=0.0):
        X, y = data
        w = params["w"]
        r = w @ X - y
        loss = (r * r).sum() + l2 * (w * w).sum()
        return loss, {"w": 2 * (X @ r) + 2 * l2 * w}
