"""The rounds of a search, and of one that has more than was asked for at first."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from shoal.search.request.amendments.amendment import Stage
from shoal.search.request.amendments.layout import MAX_DRAWN, Layout, layout_of

Stages = list[tuple[int, ...]]


def laid(stages: Stages, size: int | None = None, **other: Any) -> Layout:
    """The rounds of these requests."""
    return layout_of(
        [Stage(*each) for each in stages], **{"size": size, "pack": None, "whole": True, **other}
    )


def spans(layout: Layout) -> list[tuple[int, int, int, int, int]]:
    """First trial, end, trials drawn, and replicates of each round."""
    every = [layout[k] for k in range(len(layout))]
    assert [span.number for span in every] == list(range(len(layout)))
    return [(s.first, s.stop, s.drawn, s.low, s.high) for s in every]


def test_a_round_is_drawn_whole_and_cut_where_the_search_ends() -> None:
    """So that a longer one has what is left of it."""
    assert spans(laid([(40, 2)])) == [(0, 16, 16, 0, 2), (16, 32, 16, 0, 2), (32, 40, 16, 0, 2)]
    assert spans(laid([(5, 1)], size=1000)) == [(0, 5, 1000, 0, 1)]
    assert spans(laid([(5, 1)], size=2**31 - 1)) == [(0, 5, MAX_DRAWN, 0, 1)]


@pytest.mark.parametrize("size", [None, 6, 50])
def test_more_trials_are_as_if_they_had_been_asked_for_at_once(size: int | None) -> None:
    """However often there are more."""
    assert spans(laid([(20, 2), (33, 2), (100, 2)], size)) == spans(laid([(100, 2)], size))


def test_more_replicates_are_rounds_without_draws_and_what_comes_later_has_them() -> None:
    """Of all trials that are there; a round of trials that was cut stays so."""
    assert spans(laid([(28, 1), (28, 3), (40, 3)])) == [
        (0, 16, 16, 0, 1),
        (16, 28, 16, 0, 1),
        (0, 16, 0, 1, 3),
        (16, 28, 0, 1, 3),
        (28, 32, 4, 0, 3),
        (32, 40, 16, 0, 3),
    ]
    assert not laid([(28, 1), (28, 3)]).asks
    assert laid([(28, 1)]).asks


def test_rounds_of_earlier_formats_end_with_their_search() -> None:
    """What was drawn there is what was asked for; more begins with a round of its own."""
    stages = [(10, 1), (21, 1)]
    assert spans(laid(stages, 8, pack=8, whole=False)) == [
        (0, 8, 8, 0, 1),
        (8, 10, 2, 0, 1),
        (10, 18, 8, 0, 1),
        (18, 21, 3, 0, 1),
    ]


@pytest.mark.parametrize("stages", [[(41, 1)], [(28, 1), (28, 3), (40, 3)], [(19, 2), (50, 2)]])
def test_each_lane_is_of_one_round(stages: Stages) -> None:
    """And others of none."""
    layout = laid(stages)
    trials, replicates, *_ = stages[-1]
    lanes = [(t, r) for t in range(trials) for r in range(replicates)]
    found = layout.of(*numpy.array(lanes).T).tolist()
    for (trial, replicate), number in zip(lanes, found, strict=True):
        span = layout[number]
        assert span.first <= trial < span.stop
        assert span.low <= replicate < span.high
    sizes = layout.trials() * layout.replicates()
    assert sizes.tolist() == numpy.bincount(found, minlength=len(layout)).tolist()
    assert sizes.sum() == trials * replicates
    others = numpy.array([(trials, 0), (0, replicates), (-1, 0)]).T
    assert layout.of(*others).tolist() == [-1, -1, -1]


def test_what_is_known_before_a_round() -> None:
    """By the replicates of the rounds before it, also where some trials have more of them."""
    layout = laid([(28, 1), (28, 3), (40, 3)])
    assert layout.known(0).tolist() == []
    assert layout.known(1).tolist() == [1] * 16
    assert layout.known(2).tolist() == [1] * 28
    assert layout.known(3).tolist() == [3] * 16 + [1] * 12
    assert layout.known(4).tolist() == [3] * 28
    assert layout.known(6).tolist() == [3] * 40


def test_packs_are_cut_from_the_whole_round() -> None:
    """Also of a round that ends early, so that they are the same where there is more."""
    assert laid([(2050, 1)])[34].first == 2048
    assert laid([(2050, 1)])[34].pack == laid([(4096, 1)])[34].pack == 128
    assert laid([(100, 1)], pack=5)[3].pack == 5
    assert laid([(100, 2)], pack=500)[3].pack == 32


def test_given_points_are_a_round_of_their_own() -> None:
    """From the end of what was asked before, and before what the sampler draws; the rounds after
    them are where they are usually."""
    layout = laid([(20, 1, 3), (25, 1, 5), (40, 1)])
    assert spans(layout) == [
        (0, 3, 3, 0, 1),
        (3, 16, 13, 0, 1),
        (16, 20, 16, 0, 1),
        (20, 25, 5, 0, 1),
        (25, 32, 7, 0, 1),
        (32, 40, 16, 0, 1),
    ]
    assert [layout[k].given for k in range(6)] == [True, False, False, True, False, False]
    assert layout.known(4).tolist() == [1] * 25


def test_there_are_no_other_rounds() -> None:
    """An index beyond the last is an error."""
    with pytest.raises(IndexError, match="no round 3"):
        laid([(40, 1)])[3]
