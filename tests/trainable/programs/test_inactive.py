"""Fits that do not have a hyperparameter, among others that do: theirs is the default."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from shoal.trainable.lanes import Lanes
from shoal.trainable.programs import EAGER, program_of

NAN = float("nan")


class Scaled:
    """Its loss and its initial parameters take hyperparameters."""

    def data(self) -> Any:
        return torch.linspace(-1, 1, 30)

    def initial(self, seed: int, scale: Any = 0.5) -> Any:
        return (torch.tensor([1.0, 2.0 + seed]) * scale,)

    def loss(self, params: Any, x: Any, l2: Any = 0.25) -> Any:
        (w,) = params
        return ((w[0] + w[1] * x - torch.sin(3 * x)) ** 2).sum() + l2 * (w * w).sum()


def lanes_of(**values: list[float]) -> Lanes:
    at = torch.arange(3)
    columns = {n: torch.tensor(column, dtype=torch.float64) for n, column in values.items()}
    return Lanes(trial=at, replicate=0 * at, seed=at, values=columns, shape={"optimizer": "sgd"})


@pytest.mark.parametrize("defaults", [{}, {"nesterov": 1.0}])
def test_a_fit_without_a_value_has_the_default(defaults: dict[str, float]) -> None:
    """Of the signature, and of the optimizer; whichever of the fits are asked for."""
    sparse = {"lr": [1e-3] * 3, "l2": [NAN, 0.5, NAN], "scale": [2.0, NAN, NAN]}
    sparse["momentum"] = [NAN, NAN, 0.9]
    full = {"lr": [1e-3] * 3, "l2": [0.25, 0.5, 0.25], "scale": [2.0, 0.5, 0.5]}
    full["momentum"] = [0.0, 0.0, 0.9]
    program = program_of(
        Scaled,
        {"optimizer": "sgd"},
        None,
        defaults=defaults,
        block=3,
        device="cpu",
        kind=EAGER,
        given=tuple(sparse),
    )
    for which in ([0, 1, 2], [2, 0], [1]):
        at = torch.tensor(which)
        found, expected = (
            (*program.initial(lanes_of(**v), at), program.values(lanes_of(**v), at))
            for v in (sparse, full)
        )
        for one, other in zip(found, expected, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_fit_without_a_value_that_has_no_default_is_an_error() -> None:
    """It is refused before a search begins, and no number is made up here."""
    lanes = lanes_of(lr=[1e-3, NAN, 1e-3])
    program = program_of(
        Scaled,
        {"optimizer": "sgd"},
        None,
        defaults={},
        block=3,
        device="cpu",
        kind=EAGER,
        given=("lr",),
    )
    with pytest.raises(KeyError, match="lr"):
        program.values(lanes, torch.arange(3))
