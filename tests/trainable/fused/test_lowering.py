"""Fused kernels: what they compute, bit for bit alike anywhere, and what is left to others."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from shoal.trainable.compiling import library
from shoal.trainable.fused.cpp.kernel import Kernel
from shoal.trainable.fused.loops.operators import NotLowered
from shoal.trainable.fused.lowering import LANES, lower
from shoal.trainable.halt import never
from shoal.trainable.programs.tracing import traced

Lane = Callable[..., Any]
"""A function of the tensors of one lane, then of the data."""

N = 83
"""Lanes: several handfuls and a bit."""

POINTS = 150
"""More than two tiles of a sum, and a bit."""


HERE = r"\(test_lowering\.py:\d+\)$"
"""Ends a reason: the line that calls the operation."""

EDGE = """
import ctypes, mmap
import torch
from test_lowering import POINTS, kernel, run

pages = mmap.mmap(-1, 2 * mmap.PAGESIZE)
start = ctypes.addressof(ctypes.c_char.from_buffer(pages))
assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(start + mmap.PAGESIZE), mmap.PAGESIZE, 0) == 0
made = kernel(lambda a, x: ((a * x).sum(),), [torch.ones(3)], [torch.linspace(0.0, 1.0, POINTS)])
for lanes in (1, 7, 40, 70):
    size = 4 * lanes
    at_the_end = torch.frombuffer(
        pages, dtype=torch.float32, count=lanes, offset=mmap.PAGESIZE - size
    )
    run(made, [at_the_end])
print("read", flush=True)
"""
"""Kernels of lanes that end where a page does."""


def kernel(function: Lane, lanes: Sequence[torch.Tensor], data: Sequence[torch.Tensor]) -> Kernel:
    """The kernel of a function of one lane, which gives a tuple."""

    def stacked(*given: torch.Tensor) -> Any:
        own, shared = given[: len(lanes)], given[len(lanes) :]
        return torch.vmap(lambda *lane: function(*lane, *shared))(*own)

    few = [tensor[:LANES] for tensor in lanes]
    return Kernel(lower(traced(stacked, [*few, *data]), len(lanes), data))


def run(made: Kernel, lanes: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
    """Compile it, and call it."""
    built = library.functions([made], None, never, private=False)
    assert built is not None
    ((function,), _) = built
    return function(list(lanes))


def numbers(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> torch.Tensor:
    """Standard normal draws."""
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def check(function: Lane, lanes: Sequence[torch.Tensor], data: Sequence[torch.Tensor]) -> None:
    """What the kernel gives is what torch gives, in the same shapes."""
    expected = torch.vmap(lambda *lane: function(*lane, *data))(*lanes)
    found = run(kernel(function, lanes, data), lanes)
    assert len(found) == len(expected)
    for i, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        close = {"rtol": 1e-9, "atol": 1e-11} if theirs.dtype == torch.float64 else {"rtol": 2e-4}
        assert torch.allclose(ours, theirs, equal_nan=True, **close), f"output {i}"
        assert ours.shape == theirs.shape


def arithmetic(a: Any, w: Any, x: Any) -> Any:
    """Operators, on one number of a lane (a), on some (w) and on the points (x)."""
    u = a * x + w[1]
    v = w[0] - 0.5 * u
    return (
        (u + v).sum(),
        (u - v).sum(),
        (2.0 - u).sum(),
        (-u).sum(),
        (u / (2.0 + v * v)).sum(),
        (1.0 / (3.0 + u * u)).mean(),
        (u**2).sum(),
        (u**3).sum(),
        (u**4).sum(),
        (u**-2).amin(),
        (u * u + 1.0).sqrt().sum(),
        ((u * u + 1.0) ** -0.5).sum(),
        ((u * u + 1.0) ** 1.7).sum(),
        torch.rsqrt(u * u + 2.0).sum(),
        (2.0**u).sum(),
        ((u * u + 1.0) ** v).sum(),
        torch.add(u, v, alpha=3.0).sum(),
        torch.sub(u, v, alpha=-2.0).sum(),
        torch.addcmul(u, v, x, value=0.3).sum(),
        torch.addcdiv(u, v, x * x + 1.0).sum(),
        w.square().sum() + w.reciprocal().amax(),
        w * a,
        w.unsqueeze(1) * w.new_tensor([1.0, 2.0]),
    )


def functions(a: Any, w: Any, x: Any) -> Any:
    """Functions, and what they do with what is no number."""
    u = a * x + w[1]
    odd = torch.where(u > 2.5, math.inf, torch.where(u < -2.5, math.nan, u))
    return (
        torch.exp(u).sum(),
        torch.expm1(u).sum(),
        torch.log(u * u + 0.1).sum(),
        torch.log1p(u * u).sum(),
        torch.log2(u * u + 0.1).sum(),
        torch.sin(u).sum(),
        torch.cos(u).sum(),
        torch.tan(0.1 * u).sum(),
        torch.tanh(u).sum(),
        torch.atan(u).sum(),
        torch.erf(u).sum(),
        torch.sigmoid(u).sum(),
        torch.relu(u).sum(),
        u.abs().sum(),
        torch.sign(u).sum(),
        u.clamp(-1.0, 0.5).sum(),
        u.clamp(min=-0.2).sum(),
        u.clamp(max=0.2).sum(),
        torch.maximum(u, a).sum(),
        torch.minimum(u, a).sum(),
        u.clamp_min(0.1).sum(),
        u.clamp_max(0.1).sum(),
        odd.amax(),
        odd.amin(),
        odd.sum(),
        torch.relu(odd).sum(),
        torch.abs(odd).amax(),
        torch.maximum(odd, a).amax(),
        torch.maximum(a, odd).amin(),
        torch.minimum(odd, a).sum(),
        odd.clamp(-1.0, 1.0).sum(),
        torch.sign(odd).sum(),
        torch.exp(odd).sum(),
    )


def conditions(a: Any, w: Any, x: Any) -> Any:
    """Truth values."""
    u = a * x + w[1]
    here, there = u > 0.3, x < 0.1
    both = torch.logical_and(here, u <= 1.0)
    return (
        torch.where(here, u, -u).sum(),
        torch.where(there, u, 2.0).sum(),
        torch.where(both | ~here, u, a).sum(),
        torch.where(here & there, 1.0, u).sum(),
        (here.to(u.dtype) * u).sum(),
        (u * here).sum(),
        torch.where(here ^ both, a, w[0]).sum(),
        torch.where(u == u, torch.ones_like(u), 0.0).sum(),
        torch.where(u != a, u, 0.0).sum(),
        torch.where(torch.isnan(u), 0.0, u).sum(),
        torch.where(torch.isfinite(u), u, 0.0).sum(),
        torch.where(u >= a, u, torch.zeros_like(u)).sum(),
        (a > 0).to(u.dtype),
        torch.where(u < a, torch.ones_like(u), torch.full_like(u, 2.0)).sum(),
    )


def shapes(a: Any, w: Any, W: Any, x: Any, X: Any) -> Any:
    """Axes added, dropped, turned, picked and put together; products of all kinds."""
    r = w @ X - torch.sin(x)  # (3,) (3, POINTS)
    h = torch.tanh(W @ X)  # (2, 3) (3, POINTS)
    b, c, d = w
    z = h - h.mean(1, keepdim=True)
    likely = torch.exp(r - r.amax())
    pairs = torch.stack([w, 2.0 * w]).T  # (3, 2)
    return (
        X @ r,
        h @ r,
        h @ X.T,
        (z * z).sum(1),
        (r * r).mean(),
        b * c - d,
        w[-1] + w[:2].sum(),
        W[:, 1:].sum(0),
        W.T,
        W.reshape(2, 1, 3).squeeze(1),
        torch.cat([w, W[0], a.view(1)]),
        pairs,
        pairs @ W,
        w[:, None] - w[None, :],
        torch.einsum("ij,j->i", W, w),
        w.dot(W[1]),
        (likely / likely.sum()) @ x,
        torch.outer(w, w[:2]),
        W.sum(),
        W.amax(1),
        W.mean(0, keepdim=True),
        w.expand(2, 3) * W,
        torch.addmv(a.expand(2), W, w),
        (X.T @ w).square().sum(),
        (x[:, None] * X.T).sum(0) * a,
        torch.stack([b, c]).unbind(0)[1],
        (W - a).sum((0, 1)),
        torch.broadcast_to(a, (4,)),
        (h[0] * x).sum(),
        X.t()[5] @ w,
        W.permute(1, 0)[2],
        (a * x[:7, None] - x[None, :]).square().mean(),
    )


def truths(a: Any, w: Any, x: Any, m: Any, k: Any) -> Any:
    """Truth values of lanes (p, q) and of the data (m), and whole numbers of the data (k)."""
    u = a * x + w[1]
    p, q = u > 0.3, u < 0.9
    both = (
        p + q,
        p * q,
        p & q,
        p | q,
        p ^ q,
        ~p,
        p < q,
        p <= q,
        p > q,
        p >= q,
        p == q,
        p != q,
        torch.maximum(p, q),
        torch.minimum(p, q),
        torch.where(p, q, m),
        p + m,
        m * q,
        p == m,
        m < p,
        p > k,
        k <= (a > 0),
        p + True,
        p * False,
        p.clone(),
        p.masked_fill(m, True),
        torch.logical_and(u, p),
        torch.logical_or(x, p),
        torch.logical_not(u),
        torch.logical_xor(p, k),
        u.bool(),
    )
    real = (
        (p + q).to(u.dtype) * u,
        p * u,
        u + p,
        u / (p + u * u + 1),
        u * k,
        u + (k + k),
        u > k,
        torch.maximum(u, k),
        torch.where(k > 0, u, -u),
        u.masked_fill(p, 2.0),
        u**k,
        (u > 0.1) * m,
        u * (m + m),
        torch.where(m, u, k),
        u / p.sum(),
        (u * p).sum() / p.sum(),
        torch.lt(u, True),
        torch.cat([u[None], p[None]]).sum(0),
    )
    counted = [torch.where(truth, u, a).sum() for truth in both]
    return (*counted, *((number * x).sum() for number in real), p.sum() * a)


def rows(a: Any, w: Any, x: Any, X: Any) -> Any:
    """Values for each row beside parameters and data."""
    u = a * x[:40]
    return (
        torch.cat([u, w]),
        torch.cat([w, x[:40]]),
        torch.stack([w[0], a, x[3]]),
        torch.cat([u, u * 2, w]).sum(),
        torch.stack([u, x[:40]]).amax(0).sum(),
        torch.stack([X[0, :3], X[1, :3] * a]),
        torch.cat([X[:, 0] + w, w[:1]]),
    )


def test_truth_values_and_whole_numbers_mean_what_torch_means() -> None:
    """The sum of two truth values is "or", their product "and"; a condition counts as 0 or 1."""
    x = torch.linspace(-1.5, 2.0, POINTS, dtype=torch.float64)
    lanes = [numbers(N, seed=1), numbers(N, 2, seed=2)]
    check(truths, lanes, [x, torch.arange(POINTS) % 3 == 0, torch.arange(POINTS) % 5 - 2])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_values_of_rows_stand_beside_parameters(dtype: torch.dtype) -> None:
    """``torch.cat`` and ``torch.stack`` of what each row has, of parameters and of the data."""
    x = torch.linspace(-1.0, 2.0, POINTS, dtype=dtype)
    lanes = [numbers(N, dtype=dtype, seed=1), numbers(N, 2, dtype=dtype, seed=2)]
    check(rows, lanes, [x, torch.stack([x, x * x])])


def test_what_torch_computes_in_another_dtype_is_refused() -> None:
    """With its reason: it is not computed in the parameters' dtype, as if that were the same."""
    x = torch.linspace(-1.0, 2.0, POINTS)
    a, w = numbers(N).float(), numbers(N, 3).float()
    cases: list[tuple[str, Lane, list[torch.Tensor], list[torch.Tensor]]] = [
        ("gt is computed in float64", lambda a, x: ((a > x).float().sum(),), [a], [x.double()]),
        ("eq is computed in float64", lambda w, d: ((w == d).float(),), [w], [x[:3].double()]),
        ("_to_copy gives float64", lambda a, x: ((a * x).sum().float(),), [a], [x.double()]),
        ("add is computed in int64", lambda w: (((w > 0).sum() + 2).float(),), [w], []),
        ("mul gives int32", lambda w, k: (((w > 0) * k).float(),), [w], [torch.arange(3).int()]),
        ("a reduction of int64", lambda w: ((w > 0).sum(0, True).sum().float(),), [w], []),
        ("a reduction of bool", lambda w: ((w > 0).amax().float(),), [w], []),
        ("sign of bools", lambda w: (torch.sign(w > 0).float(),), [w], []),
        ("_to_copy gives float64", lambda w: (w.double().float(),), [w], []),
    ]
    for why, function, lanes, data in cases:
        with pytest.raises(NotLowered, match=why):
            kernel(function, lanes, data)
    d = torch.tensor(0.1, dtype=torch.float64)  # a tensor without dimensions gives way
    check(lambda w, d: ((w > d).float(), w * d), [w], [d])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("function", [arithmetic, functions, conditions])
def test_numbers_are_those_of_torch(function: Lane, dtype: torch.dtype) -> None:
    """Operator by operator, in both precisions."""
    lanes = [numbers(N, dtype=dtype, seed=1), numbers(N, 2, dtype=dtype, seed=2)]
    check(function, lanes, [torch.linspace(-1.5, 2.0, POINTS, dtype=dtype)])


def test_shapes_are_those_of_torch() -> None:
    """Whatever way a lane's tensors are turned and put together."""
    x = torch.linspace(-1.0, 2.0, POINTS, dtype=torch.float64)
    lanes = [numbers(N, seed=1), numbers(N, 3, seed=2), numbers(N, 2, 3, seed=3)]
    check(shapes, lanes, [x, torch.stack([x**0, x, x**2])])


def test_axes_too_large_to_be_written_out_are_looped_over() -> None:
    """A layer of 40 units: values of 40 and 120 numbers of a lane."""
    x = torch.linspace(-1.0, 2.0, POINTS, dtype=torch.float64)

    def layer(W: Any, v: Any, X: Any) -> Any:
        h = torch.tanh(W @ X)
        r = v @ h
        back = (v[:, None] * (1 - h * h)) * r
        return (r * r).sum(), back @ X.T, h @ r, torch.cat([v, v[:7]]), W * v[:, None]

    X = torch.stack([x**0, x, x**2])
    check(layer, [numbers(N, 40, 3, seed=1), numbers(N, 40, seed=2)], [X])


def test_each_set_of_points_has_a_loop_of_its_own() -> None:
    """Two sets of unlike sizes; the second is weighed by what comes of the first."""
    x, y = torch.linspace(-1.0, 2.0, POINTS), torch.linspace(0.0, 1.0, 4 * POINTS)

    def two(a: Any, x: Any, y: Any) -> Any:
        inner = (a * x - torch.sin(x)).square().mean()
        return inner, (torch.exp(-inner * y) - a).square().sum(), (a * y - inner).amax()

    check(two, [numbers(N)], [x.double(), y.double()])


def test_without_a_long_axis_there_is_no_loop() -> None:
    """A function of two parameters and no data."""

    def rosenbrock(w: Any) -> Any:
        x, y = w
        inner = y - x * x
        return ((1 - x) ** 2 + 100 * inner**2, torch.stack([2 * (x - 1) - 400 * x * inner, inner]))

    check(rosenbrock, [numbers(N, 2)], [])


def cubic(a: Any, w: Any, x: Any) -> Any:
    """Sums of products, whose roundings a compiler may choose."""
    r = a + w[0] * x + w[1] * x**2 + a * w[0] * x**3 - torch.sin(x)
    g = 2.0 * r
    return r.pow(2).sum(), w - 0.1 * torch.stack([(g * x).sum(), (g * x**2).sum()]), (r * r).mean()


@pytest.mark.parametrize("function", [cubic, arithmetic, functions, conditions])
def test_a_lane_has_the_same_bits_wherever_it_stands(function: Lane) -> None:
    """In any place of a handful, beside any others, among few or many."""
    lanes = [numbers(N, dtype=torch.float32, seed=1), numbers(N, 2, dtype=torch.float32, seed=2)]
    made = kernel(function, lanes, [torch.linspace(-1.5, 2.0, POINTS)])
    whole = run(made, lanes)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    some = [order, *(torch.arange(*ends) for ends in ((0, 1), (5, 22), (20, 61), (40, 83)))]
    for which in some:
        for i, ours in enumerate(run(made, [lane[which] for lane in lanes])):
            same = torch.allclose(ours, whole[i][which], rtol=0, atol=0, equal_nan=True)
            assert same, f"output {i} of {len(which)} lanes"


def test_long_sums_keep_their_digits() -> None:
    """A million numbers in single precision, of which one sum after the other would lose many."""
    x = torch.rand(1_000_000, generator=torch.Generator().manual_seed(0))
    made = kernel(lambda a, x: ((a * x).sum(),), [torch.ones(LANES)], [x])
    (found,) = run(made, [torch.ones(5)])
    exact = float(x.double().sum())
    assert abs(float(found[0]) - exact) < 2e-5 * exact


def test_what_no_kernel_can_say_is_left_to_others() -> None:
    """Places picked by value, axes crossed with themselves, whole numbers, large products: each for
    its own reason."""
    x = torch.linspace(-1.0, 2.0, POINTS)
    a, w, big = numbers(N).float(), numbers(N, 3).float(), numbers(N, 100, 100).float()
    wide = numbers(N, 160, 160).float()
    cases: list[tuple[str, Lane, list[torch.Tensor], list[torch.Tensor]]] = [
        ("^sort has no fused operator " + HERE, lambda w: (w.sort().values,), [w], []),
        ("^cumprod has no fused operator " + HERE, lambda w: (w.cumprod(0),), [w], []),
        ("by a number that a fit has computed", lambda w: (w[(w > 0).long()],), [w], []),
        (
            "among 33 places, more than 32",
            lambda W: (W[W.argmax()[None]],),
            [big[:, 0, :33]],
            [],
        ),
        (
            "a look-up by a number that a fit has computed",
            lambda w: (w[w.argmax()[None].clamp(max=1)],),
            [w],
            [],
        ),
        (
            "a reshape that splits a dimension unevenly",
            lambda w: ((w.expand(4, 3) + w).reshape(6, 2),),
            [w],
            [],
        ),
        ("gives float64", lambda a, x: ((a * x).double().sum().float(),), [a], [x]),
        ("a matrix product so large that BLAS is faster", lambda W: (W @ W[0],), [wide], []),
        ("intermediate values too large for a kernel's stack", lambda W: (W * 2.0,), [wide], []),
        (
            "intermediate values too large for a kernel's stack",
            lambda a, x: tuple(a * x + k for k in range(340)),
            [a],
            [x],
        ),
        (
            "^mul in place on what is given " + HERE,
            lambda a, x: (a * x.mul_(2.0).sum(),),
            [a],
            [x],
        ),
        ("an output that depends on no parameter", lambda a: (torch.zeros(()),), [a], []),
    ]
    for why, function, lanes, data in cases:
        with pytest.raises(NotLowered, match=why):
            kernel(function, lanes, data)


def test_axes_of_one_tensor_stay_apart() -> None:
    """Products of a matrix with itself and from both sides, and a recurrence and its gradient."""

    def recurrent(W: Any, V: Any, x: Any) -> Any:
        h = torch.zeros(POINTS, 3, dtype=x.dtype)
        for step in range(4):
            h = torch.tanh(x[:, step] @ V + h @ W)
        return (h * h).mean()

    def updated(W: Any, V: Any, x: Any) -> Any:
        by_w, by_v = torch.func.grad(recurrent, argnums=(0, 1))(W, V, x)
        return W - 0.1 * by_w, V - 0.1 * by_v

    W, V, w = numbers(N, 3, 3), numbers(N, 2, 3), numbers(N, 3)
    check(lambda W, w: (W @ w + w @ W, torch.outer(w, w) @ w, W @ W @ W + W.T), [W, w], [])
    check(lambda w: ((w[:, None] - w[None, :]) * (w[:, None] - w[None, :]).T,), [w], [])
    x = torch.linspace(-1.0, 2.0, POINTS * 8, dtype=torch.float64).reshape(POINTS, 4, 2)
    check(lambda W, V, x: (recurrent(W, V, x), *updated(W, V, x)), [W, V], [x])


def test_what_is_written_in_place_is_seen_in_all_views_of_it_and_nowhere_else() -> None:
    """Of numbers of fits, and of the data; equal calls on the data give tensors of their own."""

    def function(a: Any, w: Any, x: Any) -> Any:
        u = w * 2.0
        row = u.unsqueeze(0)
        u.mul_(a)
        y = x.clone()
        flat = y.view(-1)
        y.mul_(2.0)
        return row + 1.0, u, (a * (flat + x.clone())).sum(), torch.ones_like(w).sub_(a)

    x = torch.linspace(-1.0, 2.0, POINTS, dtype=torch.float64)
    check(function, [numbers(N), numbers(N, 3)], [x])


def test_look_ups_by_what_all_fits_share_pass_over_the_infinities_beside() -> None:
    """From either end, of rows and of pairs, and back."""

    def function(w: Any, W: Any, x: Any, i: Any) -> Any:
        Z = x[:, None] * w
        return (
            w[i[:4] - 3],
            W[:, i[:5]],
            (torch.log(w) + w)[i].sum(),
            Z.gather(1, i[:, None]).sum(),
            Z[torch.arange(POINTS), i].amax(),
            torch.zeros_like(w).index_add(0, i, Z[:, 0]),
            torch.zeros_like(Z).scatter(1, i[:, None], 1.5).sum(0) * w,
            torch.zeros_like(Z).scatter_add(1, i[:, None], Z[:, :1]).sum(0),
        )

    x = torch.linspace(-1.0, 2.0, POINTS, dtype=torch.float64)
    check(function, [numbers(N, 3), numbers(N, 2, 3)], [x, torch.arange(POINTS) * 7 % 3])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_place_of_an_extreme_is_the_first_one_and_that_of_a_nan(dtype: torch.dtype) -> None:
    """Among numbers of a fit, of rows, and of all rows; with ties, NaN and infinities."""

    def function(w: Any, W: Any, x: Any, y: Any) -> Any:
        Z = x[:, None] * w
        most, least = Z.max(1), W.min(0)
        return (
            w.argmax().to(w.dtype),
            W.argmin(1).to(w.dtype),
            W.argmax(0, keepdim=True).to(w.dtype),
            (x * w[0]).argmax().to(w.dtype),
            (Z.argmax(1) == y).to(w.dtype).mean(),
            (most.indices != Z.argmin(1)).to(w.dtype).sum() + most.values.sum() * 0,
            least.indices.to(w.dtype) + least.values,
            torch.where(W.argmax(1) < 2, w.sum(), w[0]),
        )

    w, W = numbers(N, 3, dtype=dtype), numbers(N, 3, 3, dtype=dtype).round()
    w[1, 1] = w[2, 0] = w[2, 2] = W[3, 0, 1] = math.nan
    w[4], w[5, 2], W[6, 1], W[7] = 0.0, math.inf, -math.inf, math.inf
    w[8] = torch.tensor([math.inf, -math.inf, math.inf])
    x = torch.linspace(-1.0, 2.0, POINTS, dtype=dtype)
    check(function, [w, W], [x, torch.arange(POINTS) * 7 % 3])


def test_a_fit_looks_up_the_places_of_its_own_extremes() -> None:
    """What stands there, what is added there, and the gradient of both."""

    def loss(c: Any, x: Any) -> Any:
        nearest = (x[:, None] - c).square().sum(2).argmin(1)
        return (x - c[nearest]).square().sum(1).mean()

    def function(c: Any, v: Any, x: Any) -> Any:
        nearest = (x[:, None] - c).square().sum(2).argmin(1)
        off = x - c[nearest]
        Z = x @ c.T
        (gradient,) = torch.func.grad(lambda c: loss(c, x), argnums=(0,))(c)
        return (
            gradient,
            torch.zeros_like(c).index_put((nearest,), off, accumulate=True),
            v[nearest].sum() + v[v.argmax()[None]],
            Z.gather(1, Z.argmax(1, keepdim=True)).sum(),
            torch.func.grad(lambda c: (x @ c.T).max(1).values.square().sum())(c),
        )

    x = numbers(POINTS, 2, seed=1)
    check(function, [numbers(N, 5, 2), numbers(N, 5)], [x])
    c = numbers(N, 5, 2)
    c[3, 1] = math.nan
    c[4, 0], c[5] = math.inf, math.nan
    check(function, [c, numbers(N, 5)], [x])


def test_an_overload_with_other_arguments_is_refused_and_a_fault_is_an_error() -> None:
    """Only the binding of arguments is caught: what a method itself raises comes through."""
    x = torch.ones(LANES, 2)
    graph = traced(lambda a: (a.sum(1),), [x])
    (node,) = (node for node in graph.graph.nodes if node.op == "call_function")
    arguments = node.args
    node.args = (*arguments, False, "a third")
    with pytest.raises(NotLowered, match=r"^sum with other arguments: too many positional"):
        lower(graph, 1, [])
    node.args = (arguments[0], ["no dimension"])
    with pytest.raises(TypeError, match="not all arguments converted"):
        lower(graph, 1, [])


def test_numbers_that_belong_to_places_of_lanes_are_refused() -> None:
    """A function that is not one lane's, stacked, would give a lane what its place has."""
    places = torch.arange(float(LANES))
    for function in (lambda a: (a + places,), lambda a: (a * places.sum() + places,)):
        with pytest.raises(NotLowered, match="depend on the place in the stack"):
            lower(traced(function, [torch.ones(LANES)]), 1, [])
    for function in (lambda a: (a - a.mean(),), lambda a: (a - a[0],)):
        with pytest.raises(NotLowered, match="the stacked dimension"):
            lower(traced(function, [torch.ones(LANES)]), 1, [])


def test_nothing_beyond_the_last_lane_is_read(tmp_path: Path) -> None:
    """Its numbers stand at the end of a page, and the next may not be touched."""
    script = tmp_path / "edge.py"
    script.write_text(EDGE)
    here = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": here},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "read\n"), done.stderr
