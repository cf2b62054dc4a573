"""Optimizers: pure functions that agree with torch.optim, alone and stacked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from shoal.trainable.optimizers.composed import Composed, composed, hyperparameters_of
from shoal.trainable.optimizers.methods.optimizer import Function, State
from shoal.trainable.optimizers.registry import OPTIMIZERS
from shoal.trainable.problems.problem import Leaves
from shoal.trainable.programs.tracing import traced

STEPS = 100
LR = 0.02

Twin = Callable[[list[torch.Tensor]], torch.optim.Optimizer]

optim = torch.optim
TWINS: dict[str, list[tuple[dict[str, float], Twin]]] = {
    "sgd": [
        ({}, lambda p: optim.SGD(p, lr=LR)),
        ({"momentum": 0.8}, lambda p: optim.SGD(p, lr=LR, momentum=0.8)),
        ({"weight_decay": 0.1}, lambda p: optim.SGD(p, lr=LR, weight_decay=0.1)),
        (
            {"momentum": 0.8, "nesterov": 1.0, "weight_decay": 0.1},
            lambda p: optim.SGD(p, lr=LR, momentum=0.8, nesterov=True, weight_decay=0.1),
        ),
        (
            {"momentum": 0.8, "nesterov": 0.0, "weight_decay": 0.0},
            lambda p: optim.SGD(p, lr=LR, momentum=0.8),
        ),
    ],
    "momentum": [({"momentum": 0.7}, lambda p: optim.SGD(p, lr=LR, momentum=0.7))],
    "adam": [
        ({}, lambda p: optim.Adam(p, lr=LR)),
        (
            {"beta1": 0.85, "beta2": 0.95, "eps": 1e-6, "weight_decay": 0.1},
            lambda p: optim.Adam(p, lr=LR, betas=(0.85, 0.95), eps=1e-6, weight_decay=0.1),
        ),
    ],
    "adamw": [
        ({}, lambda p: optim.AdamW(p, lr=LR)),
        (
            {"beta1": 0.85, "beta2": 0.95, "eps": 1e-6, "weight_decay": 0.3},
            lambda p: optim.AdamW(p, lr=LR, betas=(0.85, 0.95), eps=1e-6, weight_decay=0.3),
        ),
    ],
    "rmsprop": [
        ({}, lambda p: optim.RMSprop(p, lr=LR)),
        (
            {"alpha": 0.9, "eps": 1e-6, "momentum": 0.5, "weight_decay": 0.1},
            lambda p: optim.RMSprop(p, lr=LR, alpha=0.9, eps=1e-6, momentum=0.5, weight_decay=0.1),
        ),
    ],
    "adagrad": [
        ({}, lambda p: optim.Adagrad(p, lr=LR)),
        (
            {"lr_decay": 0.05, "eps": 1e-6, "weight_decay": 0.1},
            lambda p: optim.Adagrad(p, lr=LR, lr_decay=0.05, eps=1e-6, weight_decay=0.1),
        ),
    ],
}
"""Options of each optimizer, and the optimizer of torch.optim that has the same."""

CASES = [(name, options, twin) for name, cases in TWINS.items() for options, twin in cases]
by_case = pytest.mark.parametrize(
    ("name", "options", "twin"), CASES, ids=[f"{n} {' '.join(o)}" for n, o, _ in CASES]
)
FIRST_ORDER = [name for name, one in OPTIMIZERS.items() if not one.needs_residuals]
by_name = pytest.mark.parametrize("name", FIRST_ORDER)


X, Y = (
    torch.randn((20, n), generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    for n in (3, 2)
)


def start(seed: int = 0, dtype: torch.dtype = torch.float64) -> Leaves:
    """Parameters of a small net: two matrices, a vector, and a number."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(3, 4), (4,), (4, 2), ()]
    return tuple(torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes)


def loss(params: Leaves) -> torch.Tensor:
    """Mean square of a net of tanh over 20 rows: no convex function."""
    w, b, v, c = params
    r = torch.tanh(X.to(w.dtype) @ w + b) @ v + c - Y.to(w.dtype)
    return (r * r).mean()


def loss_and_gradient(params: Leaves) -> tuple[torch.Tensor, Leaves]:
    """By autograd."""
    gradient, value = torch.func.grad_and_value(loss)(params)
    return value, gradient


FUNCTION = Function(loss_and_gradient=loss_and_gradient, residuals=lambda params: params[0])


def tensors(values: Mapping[str, float], dtype: torch.dtype = torch.float64) -> dict[str, Any]:
    """Hyperparameters as one fit has them."""
    return {name: torch.tensor(value, dtype=dtype) for name, value in values.items()}


def values_of(name: str, options: Mapping[str, float]) -> dict[str, float]:
    """All hyperparameters of an optimizer that have a default, or are given."""
    defaults = {n: v for n, v in hyperparameters_of(name).items() if v is not None}
    return {**defaults, "lr": LR, **options}


def fitted(
    one: Composed, params: Leaves, values: Mapping[str, torch.Tensor], steps: int = STEPS
) -> tuple[Leaves, State]:
    """The parameters and the state after some updates."""
    state = one.init(params)
    for t in range(steps):
        clock = torch.tensor(float(t), dtype=params[0].dtype)
        _, params, state = one.step(FUNCTION, params, state, values, clock)
    return params, state


def by_torch(twin: Twin, steps: int = STEPS) -> Leaves:
    """Likewise, by torch's optimizer and torch's autograd."""
    params = [p.clone().requires_grad_() for p in start()]
    torchs = twin(params)
    for _ in range(steps):
        torchs.zero_grad()
        loss(tuple(params)).backward()  # type: ignore[no-untyped-call]  # torch has no types there
        torchs.step()
    return tuple(p.detach() for p in params)


def alike(found: Leaves, truth: Leaves, rtol: float = 1e-9) -> None:
    """Each number relative to the largest of its tensor."""
    for a, b in zip(found, truth, strict=True):
        assert (a - b).abs().max() <= rtol * b.abs().max()


@by_case
def test_an_optimizer_moves_as_its_twin_in_torch_optim(
    name: str, options: dict[str, float], twin: Twin
) -> None:
    """100 updates in float64, to 1e-9, with the hyperparameters that are off left out, and with all
    of them there."""
    truth = by_torch(twin)
    values = values_of(name, options)
    assert not torch.equal(truth[0], start()[0])
    for given in (options, values):
        one = composed(name, given=given, steps=STEPS)
        found, _ = fitted(one, start(), tensors({n: values[n] for n in one.hyperparameters}))
        alike(found, truth)


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_lion_moves_as_its_paper_says(weight_decay: float) -> None:
    """Algorithm 2 of Chen et al. 2023 in plain Python, tensor by tensor."""
    params = [p.clone() for p in start()]
    momenta = [torch.zeros_like(p) for p in params]
    for _ in range(STEPS):
        _, gradient = loss_and_gradient(tuple(params))
        for i, g in enumerate(gradient):
            update = (momenta[i] * 0.8 + g * (1 - 0.8)).sign()
            params[i] = params[i] - LR * (update + weight_decay * params[i])
            momenta[i] = momenta[i] * 0.95 + g * (1 - 0.95)
    options = {"beta1": 0.8, "beta2": 0.95, "weight_decay": weight_decay}
    one = composed("lion", given=["weight_decay"] if weight_decay else [], steps=STEPS)
    found, _ = fitted(one, start(), tensors(values_of("lion", options)))
    alike(found, tuple(params))


def test_a_gradient_that_is_no_number_is_not_hidden_by_its_sign() -> None:
    """The sign of NaN is 0 in torch: Lion would stand still, and look as if it had ended."""
    one = composed("lion", given=(), steps=1)
    nan = Function(
        loss_and_gradient=lambda at: (loss(at), tuple(p * float("nan") for p in at)),
        residuals=lambda at: at[0],
    )
    values = tensors(values_of("lion", {}))
    _, moved, _ = one.step(nan, start(), one.init(start()), values, None)
    assert all(bool(torch.isnan(p).all()) for p in moved)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@by_name
def test_stacked_fits_move_as_each_does_alone(name: str, dtype: torch.dtype) -> None:
    """Under vmap, each with hyperparameters of its own, some of them off for some of the fits; the
    inputs stay as they were, and the dtype is kept."""
    fits, steps = 5, 10
    every = hyperparameters_of(name)
    one = composed(name, "one-cycle", given=every, steps=steps)
    every = hyperparameters_of(name, "one-cycle")
    own = []
    for i in range(fits):
        usual = {n: LR if v is None else v * (1 - 0.02 * i) for n, v in every.items()}
        others = {"momentum": 0.5, "nesterov": 1.0, "weight_decay": 0.1, "lr_decay": 0.1}
        others |= {"clip_norm": 0.3, "clip_value": 0.1, "ema": 0.9, "warmup": 0.5}
        mixed = {n: v for k, (n, v) in enumerate(others.items()) if n in every and (i + k) % 2}
        own.append({**usual, **mixed})
    values = {n: torch.tensor([o[n] for o in own], dtype=dtype) for n in every}
    params = tuple(
        torch.stack(p) for p in zip(*(start(i, dtype) for i in range(fits)), strict=True)
    )
    state = tuple(s.contiguous() for s in torch.vmap(one.init)(params))

    def step(params: Leaves, state: State, values: Any, t: torch.Tensor) -> Any:
        return one.step(FUNCTION, params, state, values, t)

    for t in range(steps):
        before = [x._version for x in (*params, *state)]
        given = (*params, *state)
        clock = torch.full((fits,), float(t), dtype=dtype)
        _, params, state = torch.vmap(step)(params, state, values, clock)
        assert before == [x._version for x in given]
    assert {x.dtype for x in (*params, *state)} == {dtype}
    for i in range(fits):
        alone = fitted(one, start(i, dtype), {n: v[i] for n, v in values.items()}, steps)
        for many, single in zip((params, state), alone, strict=True):
            for a, b in zip(many, single, strict=True):
                exact = {"rtol": 1e-9, "atol": 1e-12} if dtype == torch.float64 else {}
                torch.testing.assert_close(a[i], b, **exact)


@by_name
def test_each_can_be_traced_and_the_trace_gives_the_same(name: str) -> None:
    """With all options there: nothing in it depends on the value of a tensor."""
    every = hyperparameters_of(name, "step")
    one = composed(name, "step", given=every, steps=50)
    names = list(one.hyperparameters)
    given = {**values_of(name, {}), "drop_every": 0.1, "decay": 0.5, "momentum": 0.5}
    given |= {"clip_norm": 0.3, "ema": 0.9, "warmup": 0.3, "weight_decay": 0.1}
    state = one.init(start())
    n, s = len(start()), len(state)

    def step(*flat: torch.Tensor) -> tuple[torch.Tensor, ...]:
        values = dict(zip(names, flat[n + s + 1 :], strict=True))
        loss, params, after = one.step(FUNCTION, flat[:n], flat[n : n + s], values, flat[n + s])
        return (loss, *params, *after)

    def inputs(t: float, scale: float) -> list[torch.Tensor]:
        own = tensors({name: given[name] * scale for name in names})
        clock = torch.tensor(t, dtype=torch.float64)
        return [*start(), *(x + 0.1 * scale for x in state), clock, *own.values()]

    graph = traced(step, inputs(3.0, 1.0))
    for t, scale in ((3.0, 1.0), (0.0, 0.5), (41.0, 0.0)):
        for a, b in zip(graph(*inputs(t, scale)), step(*inputs(t, scale)), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


@by_name
def test_a_zero_gradient_moves_nothing(name: str) -> None:
    """At a singular point, where the gradient is zero, parameters stay and are finite."""
    zero = Function(
        loss_and_gradient=lambda at: (loss(at), tuple(torch.zeros_like(p) for p in at)),
        residuals=lambda at: at[0],
    )
    one = composed(name, given=("clip_norm", "clip_value"), steps=3)
    values = tensors(values_of(name, {"clip_norm": 0.5, "clip_value": 0.5, "weight_decay": 0.0}))
    params, state = start(), one.init(start())
    for t in range(3):
        clock = torch.tensor(float(t), dtype=torch.float64)
        _, moved, state = one.step(zero, params, state, values, clock)
        for p, q in zip(params, moved, strict=True):
            assert torch.equal(p, q)


def test_every_optimizer_says_what_it_takes() -> None:
    """Each first-order optimizer needs a learning rate, and has a default for everything else; what
    is off is among its hyperparameters, and does nothing at its default."""
    for name, optimizer in OPTIMIZERS.items():
        assert optimizer.name == name
        required = [k for k, v in optimizer.hyperparameters.items() if v is None]
        assert required == ([] if optimizer.needs_residuals else ["lr"])
        assert all(optimizer.hyperparameters[k] == 0.0 for k in optimizer.off)


@pytest.mark.parametrize(
    ("name", "given", "state"),
    [
        ("sgd", [], []),
        ("sgd", ["weight_decay", "nesterov"], []),
        ("sgd", ["momentum"], ["velocity of w", "velocity of b"]),
        ("momentum", [], ["velocity of w", "velocity of b"]),
        ("rmsprop", [], ["mean of squares of w", "mean of squares of b"]),
        ("adagrad", [], ["sum of squares of w", "sum of squares of b"]),
        ("lion", ["ema"], [f"{n} of {p}" for n in ("momentum", "average") for p in "wb"]),
        ("adam", [], [f"{n} moment of {p}" for n in ("first", "second") for p in "wb"]),
        ("lm", [], ["scale of w", "scale of b", "damping", "growth of the damping"]),
    ],
)
def test_what_is_off_and_not_given_has_no_state_and_states_have_names(
    name: str, given: list[str], state: list[str]
) -> None:
    """Plain gradient descent keeps nothing."""
    one = composed(name, given=given, steps=1)
    assert list(one.state_names(["w", "b"])) == state
    params = (torch.zeros(3), torch.zeros(()))
    assert len(one.init(params)) == len(state)
    assert list(one.state_names(["w", "b"])) == state
    off = {"momentum", "nesterov", "weight_decay", "lr_decay", "ema", "warmup"}
    assert {n for n in one.hyperparameters if n in off} - {"momentum"} == set(given) - {"momentum"}
