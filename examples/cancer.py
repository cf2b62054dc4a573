"""Logistic regression, chosen by validation: scikit-learn's breast cancer data.

shoal run examples/cancer.py:Logistic --trials 64 --steps 500
"""

import torch
from sklearn.datasets import load_breast_cancer

ROWS = load_breast_cancer()  # 569 rows of 30 columns; y is 1 where the tumour is benign


class Logistic:
    space = {"lr": "1e-2:10:log", "l2": "1e-5:1:log"}
    objective = "accuracy:max"
    inputs = tuple(ROWS.feature_names)  # the columns of a table to predict for
    stratify = 1  # with folds, each part has the same share of each value of data()[1]: of y

    # All rows, in an order that is drawn once: the first 400 are for training.
    def rows(self):
        order = torch.randperm(569, generator=torch.Generator().manual_seed(0))
        return torch.tensor(ROWS.data)[order].float(), torch.tensor(ROWS.target)[order].float()

    # What is learnt from the training rows before any fit; it is kept as self.prepared.
    def prepare(self):
        x, _ = self.rows()
        return {"mean": x[:400].mean(dim=0), "std": x[:400].std(dim=0)}

    def scaled(self, x):
        return (x - self.prepared["mean"]) / self.prepared["std"]

    def data(self):
        x, y = self.rows()
        return self.scaled(x[:400]), y[:400]

    def validation(self):
        x, y = self.rows()
        return self.scaled(x[400:]), y[400:]

    def initial(self, seed):
        w = 0.1 * torch.randn(30, generator=torch.Generator().manual_seed(seed))
        return {"w": w, "b": torch.zeros(())}

    # The loss is the cross entropy, mean of log(1 + exp z) - y z, and an l2 penalty of the weights.
    def cross_entropy(self, z, y):
        return (torch.nn.functional.softplus(z) - y * z).mean()

    def loss_and_gradient(self, params, data, l2=0.0):
        X, y = data
        w, b = params["w"], params["b"]
        z = X @ w + b
        loss = self.cross_entropy(z, y) + l2 * (w * w).sum()
        g = (torch.sigmoid(z) - y) / len(y)
        return loss, {"w": g @ X + 2 * l2 * w, "b": g.sum()}

    def metrics(self, params, validation):
        X, y = validation
        z = X @ params["w"] + params["b"]
        return {
            "validation_loss": self.cross_entropy(z, y),
            "accuracy": ((z > 0) == (y > 0.5)).float().mean(),
        }

    # The probability that the tumour is benign, of each row of x.
    def predict(self, params, x):
        return torch.sigmoid(self.scaled(x) @ params["w"] + params["b"])
