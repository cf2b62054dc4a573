"""Poisson regression with an l2 penalty: how often does a person see a doctor in a year?

    n            rows: 674 to train, 336 to validate
    x            shape (n, 9)   features, of mean 0 and standard deviation 1 over training rows
    y            shape (n,)     visits to a doctor in a year, 0 to 48
    w, b         shapes (9,) and ()     weights and intercept: the parameters
    z            shape (n,)     logarithm of the mean of y: x w + b
    l2           shape ()       strength of the penalty: a hyperparameter
    d            shape (n,)     deviance of a row 2 (y log y - y z - y + exp z), with 0 log 0 = 0
    L            shape ()       loss Σ d / (2 n) + l2 |w|² / 2

The intercept is not penalised. L is what scikit-learn's PoissonRegressor(alpha=l2) minimises.

The learning rates of the default space are those with which Adam converges in 2,000 steps; larger
ones keep it moving about the optimum.

The split is fixed: every third row of the file is for validation. The means and standard deviations
are those of the training rows.

Source: RAND Health Insurance Experiment (1974-1982), in the public domain: every twentieth of the
20,190 person-years that A. C. Cameron and P. K. Trivedi, Microeconometrics (2005), chapter 20, use.
``rand_hie.csv`` beside this file has them, with their source.

    lncoins     log(1 + coinsurance rate in percent)
    idp         1 with an individual deductible plan
    lpi         log of the yearly participation incentive
    fmde        log of the maximum expenditure over the coinsurance rate; 0 where idp = 1
    physlm      1 with a physical limitation
    disea       number of chronic diseases
    hlthg, hlthf, hlthp     1 where a person calls the own health good, fair, poor (else: excellent)
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

from shoal.trainable.problems import Params


class Poisson:
    """Half the mean Poisson deviance with an l2 penalty; validation rows choose the penalty."""

    space = {"lr": "2e-3:2e-2:log", "l2": "1e-3:1e2:log", "optimizer": "adam"}
    objective = "validation_deviance"
    inputs = ("lncoins", "idp", "lpi", "fmde", "physlm", "disea", "hlthg", "hlthf", "hlthp")

    prepared: dict[str, torch.Tensor]

    def prepare(self) -> dict[str, torch.Tensor]:
        """Return means and standard deviations of the features of training rows, each (9,)."""
        x, _ = _table()
        train = x[~_held_out(x)]
        return {
            "mean": train.mean(dim=0).float(),
            "deviation": train.std(dim=0, correction=0).float(),
        }

    def data(self) -> dict[str, torch.Tensor]:
        """Return x, shape (674, 9), and y, shape (674,), of the training rows."""
        x, y = _table()
        return self._rows(x, y, ~_held_out(x))

    def validation(self) -> dict[str, torch.Tensor]:
        """Return x, shape (336, 9), and y, shape (336,), of the validation rows."""
        x, y = _table()
        return self._rows(x, y, _held_out(x))

    def initial(self, seed: int) -> Params:
        """Return w, nine normal draws of standard deviation 0.1, and b = 0."""
        generator = torch.Generator().manual_seed(seed)
        return {"w": 0.1 * torch.randn(9, generator=generator), "b": torch.zeros(())}

    def loss_and_gradient(
        self,
        params: dict[str, torch.Tensor],
        data: dict[str, torch.Tensor],
        l2: float | torch.Tensor = 0.0,
    ) -> tuple[torch.Tensor, Params]:
        """Return L and its gradient."""
        x, y, w = data["x"], data["y"], params["w"]
        z = x @ w + params["b"]
        mean = torch.exp(z)
        loss = 0.5 * _deviance(z, mean, y) + 0.5 * l2 * (w * w).sum()
        # ∂L/∂z = (exp z - y) / n,  ∂L/∂w = xᵀ ∂L/∂z + l2 w,  ∂L/∂b = Σ ∂L/∂z
        g = (mean - y) / y.shape[0]
        return loss, {"w": g @ x + l2 * w, "b": g.sum()}

    def metrics(
        self, params: dict[str, torch.Tensor], validation: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Return the mean Poisson deviance, Σ d / n, without the penalty."""
        z = validation["x"] @ params["w"] + params["b"]
        return {"validation_deviance": _deviance(z, torch.exp(z), validation["y"])}

    def predict(self, params: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """Return the mean number of visits for each row, shape (n,), of features (n, 9)."""
        return torch.exp(self._scaled(x).to(params["w"].dtype) @ params["w"] + params["b"])

    def _rows(
        self, x: torch.Tensor, y: torch.Tensor, which: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        return {"x": self._scaled(x[which]).float(), "y": y[which].float()}

    def _scaled(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.prepared["mean"]) / self.prepared["deviation"]


def _deviance(z: torch.Tensor, mean: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Σ d / n, with exp z given as `mean`."""
    return 2.0 * (torch.xlogy(y, y) - y * z - y + mean).mean()


def _held_out(x: torch.Tensor) -> torch.Tensor:
    """Which rows are for validation, shape (rows of x,): the third, the sixth, ..."""
    return torch.arange(1, x.shape[0] + 1) % 3 == 0


@cache
def _table() -> tuple[torch.Tensor, torch.Tensor]:
    """The features, shape (1010, 9), and the visits, shape (1010,), in float64."""
    text = Path(__file__).with_name("rand_hie.csv").read_text("utf-8")
    _, *lines = (line for line in text.splitlines() if not line.startswith("#"))
    rows = [[float(word) for word in line.split(",")] for line in lines]
    table = torch.tensor(rows, dtype=torch.float64)
    return table[:, 1:], table[:, 0]
