"""Cholesky factors and solutions by triangular matrices, beside torch one lane at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from beside_torch import Lane, check, loaded, loops, numbers, trace, with_gradient

import shoal
from shoal.trainable.fused.loops import NotLowered

LANES, SIDE = 21, 9


def positive(w: Any) -> Any:
    """A matrix that has a factor."""
    return w @ w.T + 2.0 * torch.eye(len(w), dtype=w.dtype)


@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("upper", [False, True])
def test_solutions_are_those_of_torch(upper: bool, left: bool, unit: bool) -> None:
    """From either side, of matrices of fits and of data."""

    def loss(w: Any, v: Any, x: Any) -> Any:
        a = w + 4.0 * torch.eye(SIDE, dtype=w.dtype)
        b = v if left else v.T
        how = {"upper": upper, "left": left, "unitriangular": unit}
        of_fits = torch.linalg.solve_triangular(a.triu() if upper else a.tril(), b, **how)
        of_data = torch.linalg.solve_triangular(x.triu() if upper else x.tril(), b, **how)
        to_data = torch.linalg.solve_triangular(a, x, **how)
        return of_fits.sin().sum() + of_data.cos().sum() + to_data.tanh().sum()

    x = numbers(SIDE, SIDE, seed=3) + 4.0 * torch.eye(SIDE, dtype=torch.float64)
    check(
        with_gradient(loss, 2), [numbers(LANES, SIDE, SIDE), numbers(LANES, SIDE, 7, seed=1)], [x]
    )


FACTORS: Mapping[str, Lane] = {
    "a factor": lambda w, x: (torch.linalg.cholesky(positive(w)) * x).sin().sum(),
    "an upper one": lambda w, x: (torch.linalg.cholesky(positive(w), upper=True) * x).sin().sum(),
    "a likelihood": lambda w, x: (
        torch.linalg.solve_triangular(
            (f := torch.linalg.cholesky(positive(w))), x[:, :1], upper=False
        )
        .square()
        .sum()
        + 2 * f.diagonal().log().sum()
    ),
    "a factor of a view": lambda w, x: torch.linalg.cholesky(positive(w)[1:6, 1:6].T).exp().sum(),
}


@pytest.mark.parametrize("name", FACTORS)
def test_factors_and_their_gradients_are_those_of_torch(name: str) -> None:
    function = FACTORS[name]
    check(with_gradient(function, 1), [numbers(LANES, SIDE, SIDE)], [numbers(SIDE, SIDE, seed=2)])


def test_a_matrix_without_a_factor_is_nan_in_its_lane_alone() -> None:
    """In a kernel and as torch does it, whichever pivot it is; torch would raise for all lanes."""
    lanes = torch.stack([positive(one) for one in numbers(LANES, SIDE, SIDE)])
    for lane, pivot in ((3, 0), (7, 4), (11, SIDE - 1)):
        lanes[lane, pivot, pivot] = -1.0
    lanes[13, 2, 2] = lanes[14, :, :] = torch.nan
    lanes[15] = 1.0  # of rank one: its second pivot is 0
    lanes[16] = torch.eye(SIDE)
    lanes[16, -1, -1] = 0.0  # and here the last one

    def function(w: Any) -> Any:
        return (torch.linalg.cholesky(w),)

    bad = torch.isin(torch.arange(LANES), torch.tensor([3, 7, 11, 13, 14, 15, 16]))
    with pytest.raises(RuntimeError, match="input is not positive-definite"):
        function(lanes[3])
    (by_torch,) = trace(function, [lanes], [])(lanes)
    (found,) = loaded(loops(function, [lanes], []))([lanes])
    for made in (by_torch, found):
        assert torch.equal(made.isnan().any((1, 2)), bad)
    assert torch.allclose(found[~bad], torch.linalg.cholesky(lanes[~bad]), rtol=1e-9)
    assert by_torch[bad].isnan().all()


FITTED = """
import torch

class Own:
    "A likelihood of a covariance, which some rates leave."
    space = {"lr": "1e-3:300:log"}

    def data(self):
        return torch.eye(4) * 2

    def initial(self, seed):
        generator = torch.Generator().manual_seed(seed)
        return (torch.eye(4) + 0.1 * torch.randn(4, 4, generator=generator),)

    def loss(self, params, data):
        (a,) = params
        factor = torch.linalg.cholesky(a + a.T)
        white = torch.linalg.solve_triangular(factor, data, upper=False)
        return white.square().sum() + 2 * factor.diagonal().log().sum()
"""


def test_a_fit_without_a_factor_diverges_alone(tmp_path: Path) -> None:
    """By any program; torch would end all fits of its block."""
    problem = tmp_path / "own.py"
    problem.write_text(FITTED)
    states = []
    for program in ("eager", "compiled"):
        result = shoal.run(
            f"{problem}:Own", trials=32, steps=30, seed=1, program=program, out=tmp_path / program
        )
        states.append(result.trials.sort_values("trial")["state"].tolist())
    assert set(states[0]) == {"complete", "diverged"}
    assert states[0] == states[1]


@pytest.mark.parametrize(
    ("why", "function"),
    [
        ("a factorisation of one number", lambda w, x: torch.linalg.cholesky(w[:1, :1].exp())),
        ("has no fused operator", lambda w, x: torch.linalg.solve(w, x)),
    ],
)
def test_what_is_no_loop_is_left_to_others(why: str, function: Lane) -> None:
    """With the reason."""
    with pytest.raises(NotLowered, match=why):
        loops(lambda w, x: (function(w, x).sum(),), [numbers(LANES, 3, 3)], [numbers(3, 3, seed=1)])
