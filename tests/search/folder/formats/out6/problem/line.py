import torch


class Line:
    space = {"lr": "1e-2:1e-1:log"}
    inputs = ("x",)

    def __init__(self, degree=1):
        self.degree = degree

    def data(self):
        x = torch.linspace(-1, 1, 12)
        return torch.stack([x**k for k in range(self.degree + 1)]), torch.sin(3 * x)

    def initial(self, seed):
        generator = torch.Generator().manual_seed(seed)
        return {"w": torch.randn(self.degree + 1, generator=generator)}

    def loss_and_gradient(self, params, data, l2=0.0):
        x, y = data
        w = params["w"]
        r = w @ x - y
        return (r * r).mean() + l2 * (w * w).sum(), {"w": 2 * x @ r / len(y) + 2 * l2 * w}

    def predict(self, params, x):
        return sum(params["w"][k] * x[:, 0] ** k for k in range(self.degree + 1))
