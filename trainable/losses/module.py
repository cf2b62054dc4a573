"""The loss of an nn.Module: ``module(self)``, and ``loss(self, predict, data)``.

A module is built once for each seed, for its initial parameters; the first that is built is called
for every fit, by ``torch.func.functional_call`` with the fit's own parameters and buffers. Buffers
that its ``state_dict`` has (running means) are carried from update to update beside the parameters;
what a module counts in whole numbers is left as it was built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.func import functional_call, grad_and_value

from shoal.trainable.errors import ContractError
from shoal.trainable.losses.loss import Given, Loss, Made, joined, only
from shoal.trainable.losses.refusing import refusal
from shoal.trainable.losses.stackable import Functions
from shoal.trainable.problems import MODULE, Hyperparameters, Leaves, Params, called, leaves, where
from shoal.trainable.process import generators

_DROPOUTS = (torch.nn.Dropout, torch.nn.Dropout1d, torch.nn.Dropout2d, torch.nn.Dropout3d)


class Predict:
    """What ``loss`` and ``metrics`` call the module by, with the parameters of one fit.

    Attributes:
        parameters: of the module, by name, for a penalty such as
            ``sum((w * w).sum() for w in predict.parameters.values())``.
    """

    def __init__(self, call: Callable[..., Any], parameters: Mapping[str, torch.Tensor]) -> None:
        self._call, self.parameters = call, parameters

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Return what the module's ``forward`` does."""
        return self._call(*inputs, **named)


class OfModule(Loss):
    """The loss is what the problem's ``loss`` returns, given a function that calls the module."""

    def __init__(self, problem: Any, declared: Hyperparameters) -> None:
        super().__init__(problem, declared)
        self._module: torch.nn.Module | None = None
        self._parameters: tuple[str, ...] = ()
        self._trained: dict[str, bool] = {}
        self._fixed: dict[str, torch.Tensor] = {}

    def initial(self, seed: int, own: Mapping[str, torch.Tensor]) -> Any:
        """Return the parameters and buffers of a module that is built with this seed, by name.

        Raises:
            ContractError: it is no module, or one that cannot be stacked.
        """
        return self._build(seed)

    def _build(self, seed: int) -> dict[str, torch.Tensor]:
        """Build a module with this seed; the first one is that which is called."""
        module = self._built(seed)
        found = {name: p.detach().clone() for name, p in module.named_parameters()}
        parameters = tuple(found)
        trained = {name: p.requires_grad for name, p in module.named_parameters()}
        saved = module.state_dict()
        fixed = {}
        for name, buffer in module.named_buffers():
            if name in saved and buffer.is_floating_point():
                found[name], trained[name] = buffer.detach().clone(), False
            else:
                fixed[name] = buffer.detach().clone()
        if not any(trained.values()):
            frozen = "no parameter of the module requires a gradient; leave one to be fitted"
            what = frozen if parameters else "the module has no parameters"
            raise ContractError(f"{self._where}: {what}")
        if self._module is None:
            self._module, self._trained, self._fixed = module, trained, fixed
            self._parameters = parameters
            self.draws = any(_drops(part) for part in module.modules())
        self._check_same(seed, trained, fixed)
        return found

    def _built(self, seed: int) -> torch.nn.Module:
        """A module, built with this seed.

        Raises:
            ContractError: it is none, or one that cannot be stacked.
        """
        with generators.seeded(seed):
            module = called(self.problem, MODULE)
        if not isinstance(module, torch.nn.Module):
            raise ContractError(
                f"{self._where}: returns a {type(module).__name__}, not a torch.nn.Module"
            )
        told = refusal(module)
        if told is not None:
            raise ContractError(f"{self._where}: {told}")
        return module

    def _check_same(
        self, seed: int, trained: dict[str, bool], fixed: dict[str, torch.Tensor]
    ) -> None:
        """Check that this seed's module is like the first one, but for what is trained.

        Raises:
            ContractError: it is not.
        """
        if trained != self._trained or fixed.keys() != self._fixed.keys():
            raise ContractError(
                f"{self._where}: has other parameters for seed {seed}; build the same module each "
                "time"
            )
        for name, buffer in fixed.items():
            if not torch.equal(buffer, self._fixed[name]):
                raise ContractError(
                    f"{self._where}: the buffer {name} is another one for each seed and not in the "
                    "state_dict as a floating-point tensor; register it with persistent=True"
                )

    @property
    def _where(self) -> str:
        return where(type(self.problem), MODULE)

    @property
    def module(self) -> torch.nn.Module:
        """The module that is called.

        Raises:
            RuntimeError: none was built yet.
        """
        if self._module is None:
            raise RuntimeError("initial() builds the module: call it first")
        return self._module

    def trained(self, params: Params) -> tuple[bool, ...]:
        """Return which leaves are fitted; all others are buffers, or require no gradient."""
        return tuple(self._trained.values())

    def made(self, params: Params, data: Any, given: Given) -> Made:
        """Return loss and gradient, in training mode, and the buffers after it."""
        trained = self.trained(params)
        names = [name for name, is_trained in self._trained.items() if is_trained]
        buffers = only(leaves(params), tuple(not one for one in trained))

        def loss_of(moved: Leaves) -> tuple[torch.Tensor, Leaves]:
            held = tuple(buffer.clone() for buffer in buffers)  # the module writes into them
            whole = self._by_name(joined(trained, moved, held))
            with self._mode(training=True, given=given):
                loss = self._loss(whole, data, given)
            return loss, held

        gradient, (loss, held) = grad_and_value(loss_of, has_aux=True)(
            only(leaves(params), trained)
        )
        if len(gradient) != len(names):
            raise RuntimeError("a gradient for each parameter is expected")
        return Made(loss, tuple(gradient), held)

    def value(self, params: Params, data: Any, given: Given) -> torch.Tensor:
        """Return the loss alone, in evaluation mode."""
        with self._mode(training=False):
            return self._loss(self._by_name(leaves(params)), data, given)

    def metrics(self, params: Params, rows: Any, own: Mapping[str, torch.Tensor]) -> Any:
        """Return what the problem's ``metrics`` does, in evaluation mode."""
        with self._mode(training=False):
            return called(
                self.problem, "metrics", self._predict(self._by_name(leaves(params))), rows, **own
            )

    def params(self, named: Mapping[str, torch.Tensor]) -> Params:
        """Return saved parameters and buffers, by name as the module has them."""
        self._build(0)
        return {name: named[name] for name in self._trained}

    def predicted(self, params: Params, x: torch.Tensor) -> Any:
        """Return what the problem's ``predict(predict, x)`` does, or else the module."""
        with self._mode(training=False):
            predict = self._predict(self._by_name(leaves(params)))
            if hasattr(self.problem, "predict"):
                return called(self.problem, "predict", predict, x)
            return predict(x)

    def loaded(self, params: Params) -> torch.nn.Module:
        """Return a new module with these parameters and buffers, in evaluation mode."""
        module = self._built(0)
        held = {**module.state_dict(), **self._by_name(leaves(params))}
        module.load_state_dict(held)
        return module.eval()

    def _loss(self, whole: dict[str, torch.Tensor], data: Any, given: Given) -> torch.Tensor:
        taken = given.taken(self.declared.given)
        found: torch.Tensor = called(
            self.problem, "loss", self._predict(whole), data, **given.own, **taken
        )
        return found

    def _by_name(self, values: Leaves) -> dict[str, torch.Tensor]:
        return dict(zip(self._trained, values, strict=True))

    def _predict(self, whole: dict[str, torch.Tensor]) -> Predict:
        fixed = {name: buffer.clone() for name, buffer in self._fixed.items()}

        def call(*inputs: Any, **named: Any) -> Any:
            return functional_call(self.module, {**fixed, **whole}, inputs, named)

        return Predict(call, {name: whole[name] for name in self._parameters})

    @contextmanager
    def _mode(self, *, training: bool, given: Given | None = None) -> Iterator[None]:
        """The module in training or evaluation, with masks that are drawn from what is given.

        In evaluation nothing is drawn; but what torch does there in one piece is done by its parts,
        which can be stacked.
        """
        before = [(part, part.training) for part in self.module.modules()]
        self.module.train(training)
        try:
            with Functions(given.key if given else (), given.step if given else None):
                yield
        finally:
            for part, was in before:
                part.training = was


def _drops(part: torch.nn.Module) -> bool:
    """Whether a module may draw: by its kind, or since its own code is not known."""
    return isinstance(part, _DROPOUTS) or not type(part).__module__.startswith("torch.nn.")
