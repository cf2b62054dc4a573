"""Steps in pieces: kernels, and calls of torch between them, beside torch one lane at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from beside_torch import Lane, numbers, same, trace, with_gradient
from torch.nn import functional

from shoal.trainable.compiling import library
from shoal.trainable.fused import LANES as FEW
from shoal.trainable.fused import target_of
from shoal.trainable.fused.loops import NotLowered
from shoal.trainable.fused.pieces import Partition, PiecesRun, calls_of, partitioned
from shoal.trainable.halt import Halt, Halted, never
from shoal.trainable.programs.decomposing import decomposed
from shoal.trainable.programs.tracing import traced

BLOCK = 21
"""Lanes: more than a register full, and a bit."""


def pieces(
    function: Lane,
    lanes: Sequence[torch.Tensor],
    data: Sequence[torch.Tensor],
    *,
    carried: int = 0,
    updates: int = 1,
    fixed: int | None = None,
) -> tuple[Partition, PiecesRun]:
    """A function of one lane in pieces."""
    target = target_of("cpu")
    few = trace(function, [tensor[:FEW] for tensor in lanes], data)
    every = trace(function, lanes, data)
    partition = partitioned(few, len(lanes), data, target.limits, fixed, like=every)
    calls = calls_of(every, partition)
    codes = [target.code(loops) for loops in partition.loops]
    made = library.functions(codes, None, never, private=False)
    assert made is not None
    fed = fixed is not None
    run = PiecesRun(partition, calls, made[0], data, carried=carried, updates=updates, fed=fed)
    return partition, run


def check(function: Lane, lanes: Sequence[torch.Tensor], data: Sequence[torch.Tensor]) -> Partition:
    """What the pieces give is what torch gives, one lane after the other."""
    partition, run = pieces(function, lanes, data)
    same(run([*lanes, *data]), function, lanes, data)
    return partition


def gaussian_process(w: Any, x: Any, y: Any) -> Any:
    k = w[0].exp() * torch.exp(-((x[:, None] - x).square()) * w[1].exp())
    whole = k + (w[2].exp() + 0.1) * torch.eye(len(x), dtype=x.dtype)
    factor = torch.linalg.cholesky(whole)
    alpha = torch.cholesky_solve(y[:, None], factor)[:, 0]
    return y @ alpha + 2 * factor.diagonal().log().sum()


LOSSES: Mapping[str, tuple[Lane, int]] = {
    "a Gaussian process": (gaussian_process, 3),
    "sorted": (lambda w, x, y: ((x * w[0] + w[1]).tanh().sort().values - y).square().mean(), 3),
    "the largest": (lambda w, x, y: (x * w[0]).sin().topk(5).values.exp().sum() * w[2], 3),
    "a median beside a sum": (lambda w, x, y: (x * w[0] - y).abs().median() + w.square().sum(), 3),
    "solved": (
        lambda w, x, y: (
            torch.linalg.solve(w.outer(w) + torch.eye(3, dtype=w.dtype), y[:3] * w.exp())
            .square()
            .sum()
        ),
        3,
    ),
    "eigenvalues": (
        lambda w, x, y: torch.linalg.eigvalsh(w.outer(w) + torch.diag_embed(w.exp())).log().sum(),
        3,
    ),
    "a spectrum": (
        lambda w, x, y: torch.fft.rfft(x * w[0] + w[1].exp()).abs().square().mean() / 40,
        3,
    ),
    "running products, twice": (
        lambda w, x, y: (w.tanh().cumprod(0).exp().cumprod(0) * y[:5]).sum(),
        5,
    ),
    "chosen by a rank": (lambda w, x, y: (w.exp()[w.argsort()] * y[:6]).sum(), 6),
    "an inverse, and views of it": (
        lambda w, x, y: (
            (q := torch.linalg.inv(w.reshape(3, 3) + 5 * torch.eye(3, dtype=w.dtype))).T.reshape(9)[
                2:5
            ]
            * q[:, 0].flip(0)
        ).sum(),
        9,
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_that_no_kernel_can_do_alone_are_those_of_torch(name: str) -> None:
    """And so are their gradients; there is a kernel before a call, or after it."""
    loss, count = LOSSES[name]
    data = [numbers(40, seed=1), numbers(40, seed=2)]
    partition = check(with_gradient(loss, 1), [numbers(BLOCK, count)], data)
    assert partition.calls
    assert len(partition.reasons) == len(partition.calls)
    assert partition.loops


def test_the_calls_are_the_operations_that_cannot_be_fused_alone() -> None:
    """With the reason and the line of each; all before is one kernel, all after another."""

    def function(w: Any, x: Any) -> Any:
        h = ((x * w[0]).sin() + w[1]).exp()
        return ((h.sort().values * x).sum() + h.mean(),)

    partition = check(function, [numbers(BLOCK, 2)], [numbers(30)])
    (why,) = partition.reasons
    line = function.__code__.co_firstlineno + 2
    assert why == f"sort has no fused operator (test_pieces.py:{line})"
    assert [(len(stage.calls), stage.loops is None) for stage in partition.stages] == [
        (1, False),
        (0, False),
    ]


def test_what_is_changed_in_place_is_as_it_was_when_it_was_taken() -> None:
    """Before and after a call, through views too."""

    def after(w: Any) -> Any:
        h = w.exp()
        before = h.cumprod(0)
        h.mul_(2.0)
        return (before * h).sum() + h.cumprod(0).sum(), h[1:3].sum()

    def within(w: Any) -> Any:
        h = w.cumprod(0)
        h[1:3].mul_(h[0])
        h[0].add_(1.0)
        return ((h * w).sum(),)

    def aliased(w: Any) -> Any:
        h = w.exp()
        part = h[1:]
        h.mul_(2.0)
        return ((part.cumprod(0) * w[1:]).sum(),)

    for function in (after, within, aliased):
        check(function, [numbers(BLOCK, 4)], [])


def test_a_change_that_another_part_would_see_too_early_is_refused() -> None:
    """A view from before is changed later, and the whole is taken in between and afterwards."""

    def function(w: Any) -> Any:
        h = w.exp()
        part = h[1:]
        early = h.cumprod(0)
        part.mul_(2.0)
        return ((early * h).sum() + part.reshape(-1)[0],)

    def late(w: Any) -> Any:
        h = w.exp()
        part = h.reshape(2, 2)
        early = h.cumprod(0)
        part[0].mul_(2.0)
        return ((early * h).sum(),)

    check(function, [numbers(BLOCK, 4)], [])
    with pytest.raises(NotLowered, match="mul_ in place on what other parts take"):
        pieces(late, [numbers(BLOCK, 4)], [])


def test_updates_follow_each_other_and_take_their_own_rows() -> None:
    """What one update gives is what the next takes; rows that change, and what calls take of them,
    are computed once."""

    def step(w: Any, x: Any, y: Any) -> Any:
        def loss(w: Any) -> Any:
            return ((x * w[0] + w[1]).sin().sort().values - y.sort().values).square().mean()

        gradient, value = torch.func.grad_and_value(loss)(w)
        return value, w - 0.1 * gradient

    lanes = [numbers(BLOCK, 2)]
    rows = [[numbers(16, seed=2 * i), numbers(16, seed=2 * i + 1)] for i in range(3)]
    _, run = pieces(step, lanes, rows[0], carried=1, fixed=0)
    found = run([*lanes, *(tensor for one in rows for tensor in one)])
    again = run.over(lanes, [run.data_of(one) for one in rows])
    _, fixed = pieces(step, lanes, rows[0], carried=1, updates=3)
    always = fixed(lanes)
    for lane in range(BLOCK):
        own = always_own = lanes[0][lane]
        for one in rows:
            value, own = step(own, *one)
            always_value, always_own = step(always_own, *rows[0])
        for ours in (found, again):
            assert torch.allclose(ours[0][lane], value, rtol=1e-9)
            assert torch.allclose(ours[1][lane], own, rtol=1e-9)
        assert torch.allclose(always[0][lane], always_value, rtol=1e-9)
        assert torch.allclose(always[1][lane], always_own, rtol=1e-9)


def test_what_goes_between_parts_has_its_fits_first() -> None:
    """Torch stacks them in another dimension here, which of few fits may be as long."""

    def loss(w: Any, x: Any) -> Any:
        ordered = (x * w).tanh().sort(1).values
        normed = torch.nn.functional.batch_norm(ordered, None, None, training=True)
        return (normed * x).square().mean()

    lanes = [numbers(BLOCK, 3)]
    for rows in (FEW + 1, FEW):
        check(with_gradient(loss, 1), lanes, [numbers(rows, 3, seed=1)])


def test_a_call_is_given_up() -> None:
    """Before an update; the error has nothing to say."""
    _, run = pieces(lambda w: (w.cumprod(0).exp(),), [numbers(BLOCK, 4)], [])
    run.halt = Halt()
    run([numbers(BLOCK, 4)])
    run.halt.set()
    with pytest.raises(Halted, match=r"^$"):
        run([numbers(BLOCK, 4)])


def test_a_function_that_looks_at_the_number_of_lanes_is_refused() -> None:
    """Its calls would be those of another number."""

    def trace_of(lanes: int) -> Any:
        def stacked(w: torch.Tensor) -> Any:
            h = w.cumprod(1)
            return (h.sin() if len(w) > FEW else h.cos(),)

        return decomposed(traced(stacked, [numbers(lanes, 4)]), 1)

    limits, (few, every) = target_of("cpu").limits, map(trace_of, (FEW, BLOCK))
    with pytest.raises(NotLowered, match="depends on how many fits are stacked"):
        partitioned(few, 1, [], limits, like=every)
    partition = partitioned(few, 1, [], limits, like=trace_of(FEW))
    with pytest.raises(NotLowered, match="depends on how many fits are stacked"):
        calls_of(every, partition)


def test_too_many_calls_are_no_pieces() -> None:
    """A hundred are enough."""

    def function(w: Any) -> Any:
        for _ in range(101):
            w = w.cumprod(0)
        return (w,)

    few = trace(function, [numbers(FEW, 4)], [])
    with pytest.raises(NotLowered, match="over 100 operations that cannot be fused, as cumprod"):
        partitioned(few, 1, [], target_of("cpu").limits, like=few)


def test_what_has_its_lanes_in_another_dimension_is_given_to_no_kernel() -> None:
    """Though rows of a convolution, which are before them, are as many as a trace has lanes."""

    def function(w: Any, v: Any) -> Any:
        image = functional.conv2d(w[None, None], w[None, None], padding=1)[0, 0]
        rows = functional.conv1d(image[:, None], v[None, None], stride=2)[:, 0]
        return (functional.max_pool1d(rows[:, None], 2, stride=1)[:, 0].mean(),)

    lanes = [numbers(BLOCK, 2, 2), numbers(BLOCK, 1, seed=1)]
    check(with_gradient(lambda w, v: function(w, v)[0], 2), lanes, [])
