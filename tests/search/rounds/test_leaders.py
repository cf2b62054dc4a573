"""The best trials so far: whatever the order in which trials end, the same in the end."""

from __future__ import annotations

import numpy
import pytest

from shoal.search.rounds.leaders import Leaders


@pytest.mark.parametrize("seed", range(20))
def test_they_are_the_best_by_score_and_number(seed: int) -> None:
    """Ties by number; those without a finite score are none."""
    chance = numpy.random.default_rng(seed)
    scores = chance.integers(0, 6, 60).astype(float)
    scores[chance.random(60) < 0.2] = numpy.inf
    right = [n for n in sorted(range(60), key=lambda n: (scores[n], n)) if scores[n] < numpy.inf]
    leaders = Leaders(7)
    for part in numpy.array_split(chance.permutation(60), 9):
        leaders.note(part, scores[part])
    assert leaders.trials.tolist() == right[:7]
    leaders.note(leaders.trials[:2], scores[leaders.trials[:2]])  # told again
    assert leaders.trials.tolist() == right[:7]


def test_none_are_kept_where_none_are_wanted() -> None:
    """As many as there are where all are."""
    for most, count in ((0, 0), (100, 5)):
        leaders = Leaders(most)
        leaders.note(numpy.arange(5), numpy.arange(5.0))
        assert len(leaders.trials) == count


def test_a_trial_without_a_finite_score_is_none_where_there_is_room_either() -> None:
    """So the best is not one whose fit has diverged."""
    leaders = Leaders(3)
    leaders.note(numpy.arange(2), numpy.array([numpy.inf, 1.0]))
    assert leaders.trials.tolist() == [1]
    nothing = Leaders(3)
    nothing.note(numpy.arange(2), numpy.full(2, numpy.inf))
    assert nothing.first is None
