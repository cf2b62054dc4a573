"""Optimizers and schedules of a user's file: found, adapted, and each mistake told in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from shoal.trainable.errors import ContractError
from shoal.trainable.lanes import Lanes
from shoal.trainable.optimizers.composed import composed, hyperparameters_of
from shoal.trainable.optimizers.own import composed_of, optimizers_of, schedules_of
from shoal.trainable.problems.finding import find
from shoal.trainable.programs.program import Program

FILE = """
import torch

class Heavy:
    hyperparameters = {"lr": None, "mu": 0.9}

    def init(self, params):
        return {"v": tuple(torch.zeros_like(p) for p in params), "calls": torch.zeros(())}

    def update(self, params, gradient, state, step, lr, mu):
        v = tuple(mu * v + g for v, g in zip(state["v"], gradient))
        moved = tuple(p - lr * v for p, v in zip(params, v))
        return moved, {"v": v, "calls": state["calls"] + (step >= 0).float()}

class Root:
    hyperparameters = {"slowness": 4.0}

    def factor(self, step, steps, slowness):
        return (1 + step / slowness) ** -0.5

class Fit:
    optimizers = {"heavy": Heavy}
    schedules = {"root": Root}

    def data(self):
        x = torch.linspace(-1, 1, 40)
        return torch.stack([x, x * x]), torch.sin(3 * x)

    def initial(self, seed):
        return {"w": torch.zeros(2) + 0.1 * seed, "b": torch.zeros(())}

    def loss_and_gradient(self, params, data):
        (X, y), w, b = data, params["w"], params["b"]
        r = w @ X + b - y
        return (r * r).mean(), {"w": 2 * (X @ r) / 40, "b": 2 * r.mean()}
"""


def program(folder: Path, optimizer: str, **how: Any) -> Program:
    """The fit of a user's file."""
    (folder / "fit.py").write_text(FILE)
    made = find(f"{folder / 'fit.py'}:Fit").load()
    return Program(made, optimizer=optimizer, defaults={}, block=4, device="cpu", **how)


def lanes(**more: list[float]) -> Lanes:
    """Four fits."""
    at = torch.arange(4)
    values = {"lr": [1e-3, 1e-2, 0.1, 0.3], **more}
    own = {name: torch.tensor(v, dtype=torch.float64) for name, v in values.items()}
    return Lanes(trial=at, replicate=0 * at, seed=at, values=own, shape={})


def run(program: Program, given: Lanes, steps: int) -> tuple[Any, Any]:
    """Parameters and state after some updates."""
    which = torch.arange(4)
    with torch.no_grad():
        params, state = program.initial(given, which)
        values = program.values(given, which)
        program.prepare(params, state, values)
        for _ in range(steps):
            _, params, state = program.chunk(params, state, values)
    return params, state


def test_an_own_optimizer_is_the_built_in_one_of_the_same_formula(tmp_path: Path) -> None:
    """Stacked and traced, with another hyperparameter for each fit; states have their names."""
    mu = [0.0, 0.5, 0.9, 0.3]
    own = program(tmp_path, "heavy", shape={}, given=["mu"], steps=30)
    params, state = run(own, lanes(mu=mu), 30)
    plain = program(tmp_path, "momentum", shape={}, given=["momentum"], steps=30)
    truth, velocity = run(plain, lanes(momentum=mu), 30)
    for a, b in zip((*params, *state[1:3]), (*truth, *velocity), strict=True):
        assert torch.equal(a, b)
    assert own.state_names == ("updates done", "v of w", "v of b", "calls")
    assert state[0].tolist() == state[3].tolist() == [30.0] * 4


def test_an_own_schedule_changes_the_learning_rate(tmp_path: Path) -> None:
    """As a fit whose learning rate is changed from outside."""
    slowness = [1.0, 2.0, 5.0, 9.0]
    with_it = program(tmp_path, "sgd", shape={"schedule": "root"}, given=["slowness"], steps=9)
    found, _ = run(with_it, lanes(slowness=slowness), 9)
    plain = program(tmp_path, "sgd", shape={}, steps=9)
    which = torch.arange(4)
    params, state = plain.initial(lanes(), which)
    for t in range(9):
        own = lanes()
        factor = (1 + t / torch.tensor(slowness, dtype=torch.float64)) ** -0.5
        own.values["lr"].mul_(factor)
        _, params, state = plain.stacked_step(params, state, plain.values(own, which))
    for a, b in zip(found, params, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_own_ones_compose_as_built_in_ones_do(tmp_path: Path) -> None:
    """With clipping, an average, warm-up and any schedule."""
    one = program(
        tmp_path, "heavy", shape={"schedule": "cosine"}, given=["clip_norm", "ema", "warmup"]
    ).optimizer
    expected = {"lr", "mu", "lr_final", "clip_norm", "clip_value", "ema", "warmup"}
    assert set(one.every) == expected
    assert set(one.hyperparameters) == expected - {"clip_value"}
    assert one.needs_clock


class Problem:
    """What a test gives its own optimizers and schedules."""


def with_optimizer(**members: Any) -> type:
    """A problem with an optimizer of these members, beside those that are right."""
    right = {
        "hyperparameters": {"lr": None},
        "init": lambda self, params: (),
        "update": lambda self, params, gradient, state, step, lr: (params, state),
    }
    every = {name: m for name, m in {**right, **members}.items() if m is not None}
    return type("Own", (Problem,), {"optimizers": {"mine": type("Mine", (), every)}})


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (type("Own", (), {"optimizers": [int]}), r"^Own.optimizers is a list, not a dict of cl"),
        (type("Own", (), {"optimizers": {3: int}}), r"^Own.optimizers has the key 3, not a name"),
        (
            type("Own", (), {"optimizers": {"adam": Problem}}),
            r"^Own.optimizers has 'adam', which is built in; name it my_adam$",
        ),
        (
            with_optimizer(init=None),
            r"^Mine has no method init\(\); write def init\(self, params\)",
        ),
        (with_optimizer(update=None), r"no method update\(\); write def update\(self, params, gr"),
        (
            with_optimizer(update=lambda self, params, gradient, state, step: 0),
            r"Mine.update: got an unexpected keyword argument 'lr'; write def update\(self, "
            r"params, gradient, state, step, lr\)$",
        ),
        (with_optimizer(hyperparameters=["lr"]), r"^Mine.hyperparameters is a list: write hyp"),
        (with_optimizer(hyperparameters={"lr": "big"}), r"has 'lr': 'big', not a name with a nu"),
        (with_optimizer(hyperparameters={"ema": 0.9}), r"has 'ema', which every optimizer has"),
        (
            with_optimizer(__init__=lambda self, size: None),
            r"^Own.optimizers\['mine'\] takes no arguments: ",
        ),
    ],
)
def test_a_wrong_optimizer_is_told_in_one_line(problem: type, told: str) -> None:
    """What is wrong, and what to write."""
    with pytest.raises(ContractError, match=told) as caught:
        optimizers_of(problem)
    assert "\n" not in str(caught.value)


def double(params: Any) -> Any:
    """Parameters in another dtype."""
    return tuple(p.double() for p in params)


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (
            with_optimizer(init=lambda self, params: {"v": 3}),
            r"the state\['v'\] is an int, not a t",
        ),
        (
            with_optimizer(update=lambda self, params, gradient, state, step, lr: params),
            r"Mine.update: returns a tuple, not the pair \(params, state\)|no tuple of",
        ),
        (
            with_optimizer(update=lambda self, params, gradient, state, step, lr: ((), state)),
            r"returns parameters that are no tuple of 3, as it is given",
        ),
        (
            with_optimizer(
                update=lambda self, params, gradient, state, step, lr: (double(params), state)
            ),
            r"the parameters\[0\] was float32 of shape \(2,\) and becomes float64 of shape \(2,\)",
        ),
        (
            with_optimizer(update=lambda self, params, gradient, state, step, lr: (params, {})),
            r"returns the state in another structure than it is given",
        ),
        (
            with_optimizer(update=lambda self, params, gradient, state, step, lr: params[9]),
            r"test_own.py:\d+: IndexError",
        ),
    ],
)
def test_what_an_optimizer_returns_is_checked(problem: type, told: str) -> None:
    """At the first update, not as a wrong number later."""
    if "another structure" in told:
        problem.optimizers["mine"].init = lambda self, params: torch.zeros(())  # type: ignore[attr-defined]  # made by hand above
    one = composed_of(problem, "mine", given=(), values={}, steps=1)
    params = (torch.zeros(2), torch.zeros(()), torch.ones(1))
    values = {"lr": torch.tensor(0.1)}

    def step() -> None:
        from shoal.trainable.optimizers.methods.optimizer import Function

        function = Function(loss_and_gradient=lambda at: (at[1], at), residuals=lambda at: at[0])
        one.step(function, params, one.init(params), values, torch.zeros(()))

    with pytest.raises(ContractError, match=told) as caught:
        step()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ({}, r"^Mine has no method factor\(\); write def factor\(self, step, steps\)$"),
        ({"factor": lambda self, step: step}, r"Mine.factor: too many positional arguments; write"),
    ],
)
def test_a_wrong_schedule_is_told_in_one_line(schedule: dict[str, Any], told: str) -> None:
    """Likewise."""
    problem = type("Own", (), {"schedules": {"mine": type("Mine", (), schedule)}})
    with pytest.raises(ContractError, match=told):
        schedules_of(problem)


def test_a_schedule_that_gives_no_number_is_told() -> None:
    """At the first update."""
    wrong = type("Mine", (), {"factor": lambda self, step, steps: 0.5})
    problem = type("Own", (), {"schedules": {"mine": wrong}})
    schedule = schedules_of(problem)["mine"]
    assert schedule.factor is not None
    with pytest.raises(ContractError, match=r"Mine.factor: returns a float, not a tensor of shape"):
        schedule.factor(torch.zeros(()), 10, {})


def test_unknown_names_are_told_with_the_known_ones() -> None:
    """The problem's own among them."""
    problem = with_optimizer()
    with pytest.raises(ContractError, match=r"^unknown optimizer 'sdg'; known: sgd, .*, lm, mine$"):
        composed_of(problem, "sdg", given=(), values={}, steps=1)
    with pytest.raises(
        ContractError, match=r"^unknown schedule 'cos'; known: constant, linear, .*"
    ):
        composed_of(problem, "mine", "cos", given=(), values={}, steps=1)
    with pytest.raises(ContractError, match=r"^unknown optimizer 'sdg'; known: sgd, .*, lm$"):
        composed("sdg", given=(), steps=1)


def test_two_meanings_of_one_name_are_refused() -> None:
    """An optimizer's own hyperparameter that the schedule has too."""
    problem = with_optimizer(
        hyperparameters={"lr": None, "lr_final": 0.1},
        update=lambda self, params, gradient, state, step, lr, lr_final: (params, state),
    )
    own = optimizers_of(problem)["mine"]
    assert "lr_final" in hyperparameters_of(own)
    with pytest.raises(ContractError, match=r"mine, the schedule cosine .* lr_final; name one oth"):
        hyperparameters_of(own, "cosine")
