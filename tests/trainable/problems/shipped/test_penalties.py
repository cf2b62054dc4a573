"""The penalty that validation rows choose among fits, as a search makes them."""

from __future__ import annotations

import pytest
import torch

from shoal.trainable.optimizers.composed import composed
from shoal.trainable.optimizers.methods.optimizer import Function, State
from shoal.trainable.problems.finding import find
from shoal.trainable.problems.problem import Leaves

ADAM = composed("adam", given=(), steps=2000)


@pytest.mark.parametrize(
    ("name", "metric", "best"),
    [("logistic", "validation_loss", 10**-2.75), ("poisson", "validation_deviance", 1.0)],
)
def test_fits_of_the_default_space_choose_a_penalty_inside_its_range(
    name: str, metric: str, best: float
) -> None:
    """After 2,000 steps of Adam, at both ends of the learning rates: four penalties a decade."""
    if name == "logistic":
        pytest.importorskip("sklearn")
    problem = find(name).load()()
    problem.prepared = problem.prepare()
    data, validation = problem.data(), problem.validation()
    (lrs, l2s) = ([float(end) for end in problem.space[key].split(":")[:2]] for key in ("lr", "l2"))
    n = 1 + round(4 * float(torch.tensor(l2s[1] / l2s[0]).log10()))
    scan = torch.logspace(*torch.tensor(l2s).log10().tolist(), n)
    lr, l2 = torch.tensor(lrs).repeat_interleave(n), scan.repeat(len(lrs))  # a fit for each pair
    start = problem.initial(0)
    values = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    h = {key: torch.tensor(value) for key, value in values.items()}

    def step(
        params: Leaves, state: State, lr: torch.Tensor, l2: torch.Tensor, t: torch.Tensor
    ) -> tuple[Leaves, State]:
        def loss_and_gradient(at: Leaves) -> tuple[torch.Tensor, Leaves]:
            loss, gradient = problem.loss_and_gradient(
                dict(zip("wb", at, strict=True)), data, l2=l2
            )
            return loss, (gradient["w"], gradient["b"])

        function = Function(loss_and_gradient=loss_and_gradient, residuals=lambda at: at[0])
        _, params, state = ADAM.step(function, params, state, {**h, "lr": lr}, t)
        return params, state

    params = tuple(start[key].expand(len(l2), *start[key].shape) for key in "wb")
    state = tuple(part.expand(len(l2), *part.shape) for part in ADAM.init(tuple(start.values())))
    stacked = torch.vmap(step, in_dims=(0, 0, 0, 0, None))
    for t in range(2000):
        params, state = stacked(params, state, lr, l2, torch.tensor(float(t)))
    fitted = dict(zip("wb", params, strict=True))
    judged = torch.vmap(problem.metrics, in_dims=(0, None))(fitted, validation)
    for found in judged[metric].split(n):
        assert scan[found.argmin()].item() == pytest.approx(best, rel=1e-4)
