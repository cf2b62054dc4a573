"""What the loss of a module is given in place of parameters: ``predict(x)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch


class Predict:
    """Calls a module with the parameters of one fit.

    Attributes:
        parameters: of the module, by name, for a penalty such as
            ``sum((w * w).sum() for w in predict.parameters.values())``.
    """

    def __init__(self, call: Callable[..., Any], parameters: Mapping[str, torch.Tensor]) -> None:
        self._call, self.parameters = call, parameters

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Return what the module's ``forward`` does."""
        return self._call(*inputs, **named)
