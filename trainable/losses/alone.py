"""A loss without a gradient: ``loss``, or ``residuals`` whose squares are summed.

The gradient is torch.func's, which composes with ``torch.vmap``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.func import grad_and_value

from shoal.trainable.losses.loss import Given, Loss, Made
from shoal.trainable.problems import Params, called, leaves


class Alone(Loss):
    """The loss is what the problem's ``loss`` returns."""

    def made(self, params: Params, data: Any, given: Given) -> Made:
        """Return it with the gradient."""
        gradient, loss = grad_and_value(lambda params: self.value(params, data, given))(params)
        return Made(loss, leaves(gradient))

    def value(self, params: Params, data: Any, given: Given) -> torch.Tensor:
        """Return the loss alone."""
        found: torch.Tensor = self._called(params, data, given)
        return found

    def _called(self, params: Params, data: Any, given: Given) -> Any:
        taken = given.taken(self.declared.given)
        return called(self.problem, self.declared.method, params, data, **given.own, **taken)


class Squares(Alone):
    """The loss is the sum of the squares of what the problem's ``residuals`` returns."""

    def value(self, params: Params, data: Any, given: Given) -> torch.Tensor:
        """Return the loss alone."""
        found = self.residuals(params, data, given)
        return (found * found).sum()

    def residuals(self, params: Params, data: Any, given: Given) -> torch.Tensor:
        """Return the residuals, shape (n,)."""
        found: torch.Tensor = self._called(params, data, given)
        return found
