"""The contract of a problem: data, initial parameters, loss and gradient of **one** fit.

A problem is a class; nothing need be imported to write one:

    class Ridge:
        space = {"lr": "1e-4:1:log", "l2": "1e-6:1:log"}      # the default space

        def __init__(self, degree=3):                         # shape hyperparameters
            self.degree = degree

        def data(self):                                       # shared by all lanes
            x = torch.linspace(-1, 1, 100)
            return torch.stack([x**k for k in range(self.degree + 1)]), torch.sin(3 * x)

        def initial(self, seed):                              # parameters of one lane
            generator = torch.Generator().manual_seed(seed)
            return (torch.randn(self.degree + 1, generator=generator),)

        def loss_and_gradient(self, params, data, l2=0.0):    # l2: its own hyperparameter
            (w,), (X, y) = params, data
            r = w @ X - y
            return (r * r).sum() + l2 * (w * w).sum(), (2 * (X @ r) + 2 * l2 * w,)

In place of ``loss_and_gradient`` there may be

    loss(self, params, data, **hyper)             the loss alone: torch.func makes its gradient
    residuals(self, params, data, **hyper)        shape (n,): the loss is the sum of their squares

and in place of ``initial``

    module(self)                                  a torch.nn.Module; then it is loss(predict, data)
                                                  and metrics(predict, validation), where
                                                  predict(x) calls the module

Hyperparameters are read from the signatures: keyword parameters of ``__init__`` are shape
hyperparameters (Python values), those of the loss, ``initial`` and ``metrics`` are the lane's own
(0-dimensional tensors). An optimizer adds its own (`shoal.trainable.optimizers`). A loss that takes
``step`` is given the number of updates before this one, one that takes ``noise`` what ``noise``
returns (None for the loss over all rows). All functions are pure: no randomness but from ``seed``,
no ``.item()`` or ``float()``, no ``if`` on a tensor, nothing in place. `shoal.trainable.checking`
checks all of this.

What else a problem may have:

    batch = 128                                   rows of each update; a shape hyperparameter too
    drop_last = True                              leave out the last, smaller batch of an epoch
    noise(self, seed, step)                       tensors drawn for an update, of a replicate
    objective = "accuracy:max"                    what is searched for: NAME or NAME:min or NAME:max
    inputs = ("age", "height")                    columns of a table to predict for, in this order
    stratify = "y"                                the item of data() whose values folds share evenly
    prepare(self)                                 a dict of tensors, kept as self.prepared
    validation(self)                              rows to judge by, never fitted to
    optimizers, schedules                         its own, by name (`shoal.trainable.optimizers`)
    metrics(self, params, validation, **hyper)    a dict of numbers, tensors of shape ()
    predict(self, params, x)                      what the fitted model says of rows x
    describe(self, params)                        the fitted model in words
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch

Params = tuple[torch.Tensor, ...] | dict[str, torch.Tensor]
"""Parameters or gradient of one lane: any tuple or dict of floating-point tensors."""

Leaves = tuple[torch.Tensor, ...]
"""The tensors of a `Params`, in order."""


class Problem(Protocol):
    """What a problem offers; a class of this shape is one, without inheriting."""

    space: Mapping[str, str]

    def data(self) -> Any:
        """Return a tensor, or a tuple or dict of tensors: what every lane is fitted to."""

    def initial(self, seed: int) -> Params:
        """Return the initial parameters of one lane, the same for the same seed."""

    def loss_and_gradient(
        self, params: Params, data: Any, **own: torch.Tensor
    ) -> tuple[torch.Tensor, Params]:
        """Return the loss (shape ``()``) and the gradient (structure and shapes of `params`)."""


class Predict(Protocol):
    """What ``loss`` and ``metrics`` of a problem with a module are given in place of parameters."""

    parameters: Mapping[str, torch.Tensor]
    """Of the module, by name, for a penalty."""

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Return what the module's ``forward`` does."""


def leaves(params: Params) -> Leaves:
    """Return the tensors of `params`, in order."""
    return tuple(params.values()) if isinstance(params, dict) else tuple(params)


def names(params: Params) -> tuple[str, ...]:
    """Return a name for each leaf: the key, or the position from 0."""
    if isinstance(params, dict):
        return tuple(str(key) for key in params)
    return tuple(str(index) for index in range(len(params)))


def like(params: Params, values: Leaves) -> Params:
    """Return `values` in the structure of `params`."""
    if isinstance(params, dict):
        return dict(zip(params, values, strict=True))
    return tuple(values)


def of_names(named: Mapping[str, torch.Tensor]) -> Params:
    """Return parameters by the names that `names` gives them: a tuple, if these are positions."""
    values = dict(named)
    if list(values) == [str(index) for index in range(len(values))]:
        return tuple(values.values())
    return values
