"""The lane loop: what a lane among others gives, and what becomes of its slot."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from shoal.trainable.fitting import Block, Plan, fit
from shoal.trainable.lanes import COMPLETE, DIVERGED, STATES, Fitted, Lanes
from shoal.trainable.problems.finding import find
from shoal.trainable.programs.program import Program

DEFAULTS = {
    "lr": 1e-6,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-8,
    "start": 0.0,
    "offset": 0.0,
}


def run(
    problem: type,
    values: dict[str, list[float]],
    *,
    seeds: list[int] | None = None,
    optimizer: str = "sgd",
    block: int = 4,
    steps: int = 200,
    report: int = 50,
    factor: float = 1000.0,
) -> Fitted:
    """Fit lanes with these hyperparameters."""
    n = len(next(iter(values.values())))
    lanes = Lanes(
        trial=torch.arange(n),
        replicate=torch.zeros(n, dtype=torch.int64),
        seed=torch.tensor(seeds if seeds is not None else list(range(n))),
        values={name: torch.tensor(v, dtype=torch.float64) for name, v in values.items()},
        shape={"optimizer": optimizer},
    )
    program = Program(
        problem, optimizer=optimizer, shape={}, defaults=DEFAULTS, block=block, device="cpu"
    )
    fitted = fit(program, lanes, Plan(steps=steps, report=report, diverge_factor=factor))
    assert fitted is not None
    return fitted


def curve(fitted: Fitted, lane: int) -> tuple[list[int], list[float]]:
    """Steps and losses of one lane."""
    mine = fitted.curve_lane == lane
    return fitted.curve_step[mine].tolist(), fitted.curve_loss[mine].tolist()


def by_hand(problem: type, optimizer: str, lr: float, seed: int, steps: int) -> list[float]:
    """Losses before each update and after the last: the course's loop, in plain tensors, with
    torch.optim as the optimizer (none for sgd)."""
    instance: Any = problem()
    data = instance.data()
    params = {name: leaf.clone() for name, leaf in instance.initial(seed).items()}
    twin: torch.optim.Optimizer | None = None
    if optimizer == "momentum":
        twin = torch.optim.SGD(list(params.values()), lr=lr, momentum=0.9)
    elif optimizer == "adam":
        twin = torch.optim.Adam(list(params.values()), lr=lr)
    losses = []
    for _ in range(steps):
        loss, gradient = instance.loss_and_gradient(params, data)
        losses.append(loss.item())
        for name in params:
            if twin is None:
                params[name] = params[name] - lr * gradient[name]
            else:
                params[name].grad = gradient[name]
        if twin is not None:
            twin.step()
    losses.append(instance.loss_and_gradient(params, data)[0].item())
    return losses


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("name", ["cubic-sine", "legendre-sine"])
def test_a_fused_lane_equals_the_loop_written_out(name: str, optimizer: str) -> None:
    """Optimizers with and without a state, each problem: curve and final loss of a lane among
    others, to 1e-4."""
    problem = find(name).load()
    lr = {"sgd": 1e-6, "momentum": 1e-7, "adam": 1e-2}[optimizer]
    fitted = run(problem, {"lr": [lr / 3, lr, lr / 2]}, seeds=[3, 7, 1], optimizer=optimizer)
    losses = by_hand(problem, optimizer, lr, seed=7, steps=200)
    steps, curve_losses = curve(fitted, 1)
    assert steps == [49, 99, 149, 199]
    assert curve_losses == pytest.approx([losses[step] for step in steps], rel=1e-4)
    assert float(fitted.loss[1]) == pytest.approx(losses[-1], rel=1e-4)


@pytest.mark.parametrize(
    ("steps", "report", "expected"),
    [
        (200, 50, [49, 99, 149, 199]),
        (230, 50, [49, 99, 149, 199, 229]),
        (30, 30, [29]),
        (31, 30, [29, 30]),
        (1, 1, [0]),
        (3, 1, [0, 1, 2]),
    ],
)
def test_curves_have_the_reporting_steps_and_the_last(
    steps: int, report: int, expected: list[int]
) -> None:
    """Every `report` updates and at the end, the loss before that update; then the final loss."""
    problem = find("cubic-sine").load()
    rates = [1e-6, 5e-7, 3e-7, 1e-4, 2e-6, 1e-4, 1e-6]
    fitted = run(problem, {"lr": rates}, seeds=[0] * 7, steps=steps, report=report, block=2)
    losses = by_hand(problem, "sgd", 1e-6, seed=0, steps=steps)
    for lane in (0, 6):  # the last comes into a slot that another has left
        got_steps, got = curve(fitted, lane)
        assert got_steps == expected
        assert got == pytest.approx([losses[step] for step in expected], rel=1e-4)
        assert float(fitted.loss[lane]) == pytest.approx(losses[-1], rel=1e-4)
        assert fitted.steps[lane] == steps


def test_a_lanes_numbers_do_not_depend_on_its_neighbours() -> None:
    """Bit for bit the same, whatever the order of lanes, the block's size, the cut into packs and
    how many slots are padding."""
    problem = find("cubic-sine").load()
    rates = torch.logspace(-8, -4, 40, dtype=torch.float64).tolist()
    seeds = [i % 5 for i in range(40)]
    whole = run(problem, {"lr": rates}, seeds=seeds, block=8)
    assert {STATES[int(state)] for state in whole.state} == {"complete", "diverged"}
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(40, generator=generator).tolist()
    for block, chosen in ((8, order), (8, list(range(11))), (64, order), (1, order[:6])):
        part = run(
            problem,
            {"lr": [rates[i] for i in chosen]},
            seeds=[seeds[i] for i in chosen],
            block=block,
        )
        assert torch.equal(part.loss, whole.loss[chosen])
        assert torch.equal(part.state, whole.state[chosen])
        assert torch.equal(part.steps, whole.steps[chosen])
        for position, lane in enumerate(chosen):
            assert curve(part, position) == curve(whole, lane)


def test_a_diverged_lane_is_frozen_at_the_reporting_step_and_never_nan() -> None:
    """A lane whose loss explodes ends at the next reporting step with +inf, the others go on."""
    problem = find("cubic-sine").load()
    fitted = run(problem, {"lr": [1e-4, 1e-6, 1e-2]}, steps=300, report=100, block=3)
    assert fitted.state.tolist() == [DIVERGED, COMPLETE, DIVERGED]
    assert fitted.steps.tolist() == [100, 300, 100]
    assert fitted.loss[[0, 2]].tolist() == [float("inf")] * 2
    assert torch.isfinite(fitted.loss[1])
    assert not fitted.curve_loss.isnan().any()
    assert curve(fitted, 2) == ([99], [float("inf")])


class Line:
    """A loss that starts where it is told: (w - 1)² + offset."""

    def data(self) -> torch.Tensor:
        return torch.ones(1)

    def initial(self, seed: int, start: float = 0.0) -> tuple[torch.Tensor]:
        return (start * torch.ones(()),)

    def loss_and_gradient(self, params: Any, data: torch.Tensor, offset: Any = 0.0) -> Any:
        (w,) = params
        r = w - data.sum()
        return r * r + offset, (2 * r,)


def test_the_factor_counts_only_where_the_first_loss_is_positive() -> None:
    """A first loss of zero, or below, has no multiple: such a lane diverges by infinity alone."""
    values = {
        "lr": [0.1, 0.1, 1.5, 1.5],
        "start": [1.0, 0.0, 1.1, 0.0],
        "offset": [0.0, -5.0, 0.0, -5.0],
    }
    fitted = run(Line, values, steps=10, report=5, factor=10.0)
    assert fitted.state.tolist() == [COMPLETE, COMPLETE, DIVERGED, COMPLETE]
    assert float(fitted.loss[0]) == 0.0
    assert float(fitted.loss[3]) > 1000


def test_a_lane_that_begins_with_nan_has_diverged() -> None:
    """A first loss that is no number is never complete."""
    inf = float("inf")  # a hyperparameter that is NaN is not active
    values = {"lr": [0.1, 0.1], "start": [inf, 0.0], "offset": [-inf, 0.0]}
    fitted = run(Line, values, steps=10, report=5)
    assert fitted.state.tolist() == [DIVERGED, COMPLETE]
    assert fitted.curve_loss.tolist()[0] == float("inf")


def test_initial_parameters_take_their_own_hyperparameters() -> None:
    """A keyword of ``initial`` is a hyperparameter of the lane, also for refilled slots."""
    starts = [0.0, 0.5, 2.0, 3.0, -1.0]
    fitted = run(Line, {"lr": [0.25] * 5, "start": starts}, steps=4, report=2, block=2)
    # r ← r (1 - 2 lr) at each update
    assert fitted.loss.tolist() == pytest.approx([((s - 1) * 0.5**4) ** 2 for s in starts])


class Matrix:
    """‖W x - y‖² for a matrix and a bias."""

    def data(self) -> dict[str, torch.Tensor]:
        x = torch.linspace(-1, 1, 20).reshape(2, 10)
        return {"x": x, "y": torch.stack([x[0] + x[1], x[0], x[1] - 1])}

    def initial(self, seed: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return {"W": torch.randn(3, 2, generator=generator), "b": torch.zeros(3)}

    def loss_and_gradient(self, params: Any, data: Any) -> Any:
        r = params["W"] @ data["x"] + params["b"][:, None] - data["y"]
        return (r * r).sum(), {"W": 2 * r @ data["x"].T, "b": 2 * r.sum(1)}


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_parameters_may_be_matrices_in_a_dict(optimizer: str) -> None:
    """Leaves of any shape, in blocks with refilled slots and steps that end between reports."""
    lr = {"sgd": 0.01, "momentum": 0.003, "adam": 0.01}[optimizer]
    rates = [lr, 10.0, lr, lr / 2, lr, 10.0, lr]
    fitted = run(
        Matrix, {"lr": rates}, seeds=[4] * 7, optimizer=optimizer, block=2, steps=130, report=50
    )
    losses = by_hand(Matrix, optimizer, lr, seed=4, steps=130)
    for lane in (0, 2, 4, 6):
        steps, got = curve(fitted, lane)
        assert steps == [49, 99, 129]
        assert got == pytest.approx([losses[step] for step in steps], rel=1e-3, abs=1e-6)
        assert float(fitted.loss[lane]) == pytest.approx(losses[-1], rel=1e-3, abs=1e-6)


def test_seeds_give_initial_parameters() -> None:
    """Lanes of different seeds start from different parameters, lanes of one seed from the same."""
    fitted = run(Matrix, {"lr": [1e-3] * 4}, seeds=[1, 2, 1, 3], steps=5, report=5)
    assert fitted.loss[0] == fitted.loss[2]
    assert len(set(fitted.loss.tolist())) == 3


def test_reports_are_told_as_they_come() -> None:
    """`Block.advance` returns each lane's reporting steps, as the curves have them."""
    problem = find("cubic-sine").load()
    program = Program(problem, optimizer="sgd", shape={}, defaults=DEFAULTS, block=1, device="cpu")
    one = torch.zeros(1, dtype=torch.int64)
    lanes = Lanes(trial=one, replicate=one, seed=one, values={}, shape={})
    heard: list[tuple[int, float]] = []
    with torch.no_grad():
        block = Block(program, lanes, Plan(steps=20, report=10, diverge_factor=10.0))
        block.prepare()
        while block.occupied():
            reported = block.advance()
            assert reported is not None
            heard += zip(reported.steps.tolist(), reported.losses.tolist(), strict=True)
    assert heard == list(zip(*curve(block.fitted(), 0), strict=True))
    assert [step for step, _ in heard] == [9, 19]


class Hill:
    """Loss w² of one parameter that starts where the lane says; above 100 it is not finite."""

    space: dict[str, str] = {}

    def data(self) -> torch.Tensor:
        return torch.zeros(1)

    def initial(self, seed: int, start: torch.Tensor) -> tuple[torch.Tensor]:
        return (start,)

    def loss_and_gradient(
        self, params: tuple[torch.Tensor], data: torch.Tensor
    ) -> tuple[torch.Tensor, tuple[torch.Tensor]]:
        (w,) = params
        return torch.where(w > 100, torch.inf, w * w), (2 * w,)


def test_a_first_loss_that_is_not_finite_counts_as_diverged_whatever_comes_after() -> None:
    """There is nothing to measure later losses by."""
    fitted = run(Hill, {"lr": [0.4] * 2, "start": [300.0, 3.0]}, steps=20, report=5)
    assert fitted.state.tolist() == [DIVERGED, COMPLETE]


def test_a_lane_is_measured_by_its_own_first_loss() -> None:
    """Not by that of the lane whose slot it takes: the second stays where it starts."""
    values = {"lr": [0.4, 1e-9, 1.2], "start": [0.01, 50.0, 0.01]}
    fitted = run(Hill, values, block=1, steps=20, report=5, factor=10.0)
    assert fitted.state.tolist() == [COMPLETE, COMPLETE, DIVERGED]
