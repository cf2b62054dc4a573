"""Rounding as noise: how far results move of which few digits mean anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import layer_norm

from shoal.trainable.programs.comparing.noise import Noisy
from shoal.trainable.programs.decomposing import decomposed
from shoal.trainable.programs.tracing import traced

EPS = torch.finfo(torch.float32).eps


def moved(function: Callable[[torch.Tensor], torch.Tensor], given: torch.Tensor) -> torch.Tensor:
    """How far a function's result moves at the most, in thirty runs."""
    graph = traced(lambda x: (function(x),), [given])
    made = function(given)
    return torch.stack(
        [(Noisy(graph, seed).run(given)[0] - made).abs() for seed in range(30)]
    ).amax(0)


def test_a_variance_of_equal_numbers_shows_the_roundings_of_their_mean() -> None:
    """It is what the mean is off by, squared: kernels that add up in another order have another."""
    found = float(moved(lambda x: torch.var(x, 0, correction=0), torch.full((150,), 1.87)))
    assert (1.87 * EPS) ** 2 < found < (1.87 * 150 * EPS) ** 2


def test_numbers_that_are_normalised_show_the_roundings_of_their_mean_too() -> None:
    """Of equal numbers nothing is left but these."""
    same = torch.full((5, 3), -1.7235787)
    found = moved(lambda x: torch.var_mean(x, 1, correction=0)[1], same)
    assert 1e-8 < float(found.max()) < 1e-6
    graph = decomposed(traced(lambda x: (layer_norm(x, (3,)),), [same]), 1)
    made = torch.stack([Noisy(graph, seed).run(same)[0].abs().max() for seed in range(30)])
    assert 1e-6 < float(made.max()) < 1e-2


@pytest.mark.parametrize(("at", "least"), [(1.4616321, 2 * EPS), (100.0, 4 * EPS)])
def test_digamma_shows_the_roundings_of_its_terms_near_its_root(at: float, least: float) -> None:
    """Where they cancel; elsewhere they are as its last digits."""
    found = float(moved(torch.digamma, torch.tensor([at])))
    assert least < found < 20 * max(1.0, abs(float(torch.digamma(torch.tensor(at))))) * EPS
