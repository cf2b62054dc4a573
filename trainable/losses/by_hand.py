"""A loss whose gradient is written by hand: ``loss_and_gradient``."""

from __future__ import annotations

from typing import Any

import torch

from shoal.trainable.losses.loss import Given, Loss, Made
from shoal.trainable.problems import Params, called, leaves


class ByHand(Loss):
    """Loss and gradient are what the problem returns."""

    def made(self, params: Params, data: Any, given: Given) -> Made:
        """Return them, unchecked."""
        loss, gradient = self.returned(params, data, given)
        return Made(loss, leaves(gradient))

    def returned(self, params: Params, data: Any, given: Given) -> Any:
        """Return what the problem returns."""
        taken = given.taken(self.declared.given)
        return called(self.problem, self.declared.method, params, data, **given.own, **taken)

    def value(self, params: Params, data: Any, given: Given) -> torch.Tensor:
        """Return the loss alone."""
        return self.made(params, data, given).loss
