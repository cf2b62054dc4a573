"""A net of one hidden layer, with the gradient by hand: which digit is written?

    x, y, z, p   as in `rows`: pixels, digit, logits, probabilities
    k            width of the hidden layer: a shape hyperparameter
    W1, b1       shapes (k, 64), (k,)     ``hidden.weight`` and ``hidden.bias``
    a            shape (n, k)             tanh(x W1ᵀ + b1)
    W2, b2       shapes (10, k), (10,)    ``output.weight`` and ``output.bias``
    z            = a W2ᵀ + b2
    t            shape (n, 10)   1 where a column is the row's digit, else 0
    l2           shape ()        strength of the penalty: a hyperparameter
    L            shape ()        loss: mean of -log p[y], + l2 (|W1|² + |W2|²) / 2

Each update takes 128 of the 1,085 rows; an epoch has nine updates. scikit-learn's
MLPClassifier(alpha=alpha, batch_size=128) has the same loss where alpha = 128 l2.

Names and initial parameters are those of ``torch.nn.Linear``; `mlp_module` is the same net.

Source of the data: `rows`; of the initial parameters: Y. LeCun, L. Bottou, G. Orr and K. Müller,
Efficient BackProp (1998), of which torch takes U(-1/√m, 1/√m) for a layer of m inputs.
"""

from __future__ import annotations

import torch

from shoal.trainable.problems import Params
from shoal.trainable.problems.shipped.digits.rows import (
    BRIGHTEST,
    CLASSES,
    PIXELS,
    Digits,
    judged,
    log_softmax,
    one_hot,
)


class Mlp(Digits):
    """Mean cross entropy of a net 64-k-10; the accuracy of validation rows is searched for."""

    space = {"lr": "1e-3:1e-1:log", "l2": "1e-6:1e-2:log", "optimizer": "adam"}
    objective = "accuracy:max"
    batch = 128

    def __init__(self, width: int = 32) -> None:
        """Take the width of the hidden layer."""
        self.width = width

    def initial(self, seed: int) -> Params:
        """Return what ``torch.nn.Linear`` draws for both layers after ``manual_seed(seed)``."""
        generator = torch.Generator().manual_seed(seed)
        found: dict[str, torch.Tensor] = {}
        for name, out, inputs in (("hidden", self.width, PIXELS), ("output", CLASSES, self.width)):
            bound = inputs**-0.5
            for part, shape in (("weight", (out, inputs)), ("bias", (out,))):
                drawn = torch.empty(shape).uniform_(-bound, bound, generator=generator)
                found[f"{name}.{part}"] = drawn
        return found

    def loss_and_gradient(
        self,
        params: dict[str, torch.Tensor],
        data: dict[str, torch.Tensor],
        l2: float | torch.Tensor = 0.0,
    ) -> tuple[torch.Tensor, Params]:
        """Return L and its gradient."""
        x, y = data["x"], data["y"]
        w1, w2 = params["hidden.weight"], params["output.weight"]
        a, z = self._forward(params, x)
        log_p, t = log_softmax(z), one_hot(y, z.dtype)
        loss = -(log_p * t).sum() / y.shape[0] + 0.5 * l2 * ((w1 * w1).sum() + (w2 * w2).sum())
        # ∂L/∂z = (p - t) / n,  ∂L/∂W2 = (∂L/∂z)ᵀ a + l2 W2
        gz = (log_p.exp() - t) / y.shape[0]
        # ∂L/∂u = (∂L/∂z W2) (1 - a²) where a = tanh u,  ∂L/∂W1 = (∂L/∂u)ᵀ x + l2 W1
        gu = (gz @ w2) * (1 - a * a)
        return loss, {
            "hidden.weight": gu.T @ x + l2 * w1,
            "hidden.bias": gu.sum(dim=0),
            "output.weight": gz.T @ a + l2 * w2,
            "output.bias": gz.sum(dim=0),
        }

    def metrics(
        self, params: dict[str, torch.Tensor], validation: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Return the mean cross entropy, without the penalty, and the share of rows told right."""
        return judged(self._forward(params, validation["x"])[1], validation["y"])

    def predict(self, params: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """Return the most probable digit of each row, shape (n,), of pixels (n, 64), 0 to 16."""
        scaled = (x / BRIGHTEST).to(params["hidden.weight"].dtype)
        return self._forward(params, scaled)[1].argmax(dim=1)

    def _forward(
        self, params: dict[str, torch.Tensor], x: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The hidden layer a, and the logits z."""
        a = torch.tanh(x @ params["hidden.weight"].T + params["hidden.bias"])
        return a, a @ params["output.weight"].T + params["output.bias"]
