"""Whose parameters a pack keeps: of trials whose fits have all ended with a finite score."""

from __future__ import annotations

import math
import random

import pytest
import torch

from shoal.trainable.fitting import Plan
from shoal.trainable.fitting.kept import Kept
from shoal.trainable.lanes import Lanes


def kept_of(trials: int, keep: int, fits: int = 1) -> Kept:
    """Nothing kept yet, of trials with so many fits each."""
    at = torch.arange(trials * fits)
    lanes = Lanes(trial=at // fits, replicate=at % fits, seed=at, values={}, shape={})
    plan = Plan(steps=1, report=1, diverge_factor=2.0, keep=keep, fits=fits)
    return Kept(lanes, plan)


def add(kept: Kept, lanes: list[int], scores: list[float]) -> None:
    """Fits have ended; the parameters of each are its number."""
    lane = torch.tensor(lanes)
    kept.add(
        lane, torch.tensor(scores, dtype=torch.float64), (lane[:, None].float().expand(-1, 2),)
    )


def held(kept: Kept) -> list[int]:
    """The fits that are kept, each with its own parameters."""
    kept.end()
    lanes: list[int] = kept.lane.tolist()
    assert [leaf[:, 0].tolist() for leaf in kept.params] == ([lanes] if lanes else [])
    return lanes


@pytest.mark.parametrize("fits", [1, 2])
def test_a_fit_without_a_finite_score_is_not_kept_where_there_is_room_either(fits: int) -> None:
    """Nor are the others of its trial."""
    kept = kept_of(3, 3, fits)
    scores = [1.0, 2.0, math.inf, 4.0, 5.0, 6.0][: 3 * fits]
    add(kept, list(range(3 * fits)), scores)
    assert held(kept) == ([0, 1] if fits == 1 else [0, 1, 4, 5])


def test_of_equal_scores_the_first_trial_is_kept_whichever_ends_first() -> None:
    """As the ranking of the table has it."""
    kept = kept_of(4, 1)
    add(kept, [3], [1.0])
    add(kept, [1], [1.0])
    add(kept, [2], [1.0])
    assert held(kept) == [1]


@pytest.mark.parametrize("seed", range(20))
def test_they_are_the_best_by_score_and_number_in_whatever_order_fits_end(seed: int) -> None:
    """Many of them equal, some not finite."""
    chance = random.Random(seed)
    trials, fits, keep = 12, chance.choice([1, 1, 3]), chance.choice([1, 4, 20])
    scores = [chance.choice([0.0, 1.0, 2.0, 3.0]) for _ in range(trials * fits)]
    for lane in chance.sample(range(len(scores)), 3):
        scores[lane] = math.inf
    means = [sum(scores[t * fits : (t + 1) * fits]) / fits for t in range(trials)]
    order = sorted((t for t in range(trials) if means[t] < math.inf), key=lambda t: (means[t], t))
    kept = kept_of(trials, keep, fits)
    ending = chance.sample(range(len(scores)), len(scores))
    while ending:
        some = [ending.pop() for _ in range(min(len(ending), chance.randint(1, 5)))]
        add(kept, some, [scores[lane] for lane in some])
    assert held(kept) == sorted(t * fits + i for t in order[:keep] for i in range(fits))
