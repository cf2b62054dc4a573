"""Cells of a space with conditions: each different trial has one number, and inactive values none.

The reference lists the trials of random small spaces by a plain loop over all combinations.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy
import pytest

from shoal.search.space.activity import ALWAYS, Ranks, When, common, ranks_from
from shoal.search.space.axes import Axis
from shoal.search.space.branches import MAX_BRANCHES, Branches, cells_of
from shoal.search.space.cells import Cells


def listed(ranks: Iterable[int]) -> Ranks:
    """A set of ranks."""
    return ranks_from((rank, rank + 1) for rank in set(ranks))


def under(axes: list[Axis], rng: numpy.random.Generator) -> When:
    """Alternatives, in each of which one or two of some axes are active and have certain values."""
    found = []
    for _ in range(rng.integers(1, 3)):
        parents = rng.choice(len(axes), size=rng.integers(1, min(len(axes), 2) + 1), replace=False)
        own = tuple(
            (int(p), listed(rng.choice(axes[p].size, 1 + axes[p].size // 3).tolist()))
            for p in parents
        )
        for above in itertools.product(*(axes[p].when for p in parents)):
            found.append(tuple(dict.fromkeys((*own, *itertools.chain(*above)))))
    return tuple(found)


def random_axes(seed: int) -> list[Axis]:
    """Three to six axes of a few values, most later ones under conditions on earlier ones."""
    rng = numpy.random.default_rng(seed)
    axes: list[Axis] = []
    for j in range(int(rng.integers(3, 7))):
        when = under(axes, rng) if j and rng.random() < 0.7 else ALWAYS
        if rng.random() < 0.5:
            axes.append(Axis(choices=int(rng.integers(1, 4)), when=when))
        else:
            low, log = float(rng.integers(1, 5)), bool(rng.random() < 0.5)
            high = low + int(rng.integers(1, 12 if not j else 4))
            axes.append(Axis(low=low, high=high, step=1.0, log=log, when=when))
    return axes


def is_active(axes: list[Axis], ranks: tuple[int, ...], j: int) -> bool:
    """Whether an axis is active, by a plain loop."""
    return any(
        all(any(a <= ranks[p] < b for a, b in batched(allowed)) for p, allowed in each)
        for each in axes[j].when
    )


def batched(bounds: Ranks) -> list[tuple[int, int]]:
    """The ranges that bounds are."""
    return list(zip(bounds[::2], bounds[1::2], strict=True))


def trials(axes: list[Axis]) -> dict[tuple[int, ...], tuple[int | None, ...]]:
    """All combinations of ranks, each with the trial that it stands for."""
    return {
        ranks: tuple(r if is_active(axes, ranks, j) else None for j, r in enumerate(ranks))
        for ranks in itertools.product(*(range(axis.size) for axis in axes))
    }


@pytest.mark.parametrize("seed", range(40))
def test_each_different_trial_has_one_number(seed: int) -> None:
    """From 0 to their count; the number stands for that trial again."""
    axes = random_axes(seed)
    cells, every = cells_of(axes), trials(axes)
    ranks = numpy.array(list(every), dtype=numpy.uint64)
    columns = [axis.of_ranks(ranks[:, j]) for j, axis in enumerate(axes)]
    numbers = cells.numbers(columns)
    different = set(every.values())
    assert cells.counted
    assert cells.count == len(different)
    assert set(numbers.tolist()) == set(range(cells.count))
    assert len({*zip(numbers.tolist(), every.values(), strict=True)}) == cells.count
    again = cells.columns(numbers)
    for j, axis in enumerate(axes):
        active = numpy.array([is_active(axes, row, j) for row in every])
        assert numpy.array_equal(
            again[j], numpy.where(active, columns[j], axis.of_ranks(0 * ranks[:1, j]))
        )


@pytest.mark.parametrize("seed", range(10))
def test_the_widths_of_all_cells_are_probabilities(seed: int) -> None:
    """Of a draw of all axes, of which the inactive ones are not looked at."""
    axes = random_axes(seed)
    cells, every = cells_of(axes), trials(axes)
    ranks = numpy.array(list(every), dtype=numpy.uint64)
    columns = [axis.of_ranks(ranks[:, j]) for j, axis in enumerate(axes)]
    drawn = numpy.prod(
        [axis.widths(column) / axis.width for axis, column in zip(axes, columns, strict=True)],
        axis=0,
    )
    assert drawn.sum() == pytest.approx(1.0)
    expected = numpy.bincount(cells.numbers(columns).astype(int), weights=drawn)
    if isinstance(cells, Branches):
        found = cells.widths(cells.columns(numpy.arange(cells.count, dtype=numpy.uint64)))
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(20))
def test_sets_of_ranks_are_what_sets_are(seed: int) -> None:
    """Made of ranges, joined and intersected, as Python's own sets are."""
    rng = numpy.random.default_rng(seed)
    one, other = (set(rng.integers(0, 12, rng.integers(0, 9)).tolist()) for _ in range(2))

    def members(bounds: Ranks) -> set[int]:
        return {rank for first, last in batched(bounds) for rank in range(first, last)}

    assert members(listed(one)) == one
    assert members(common(listed(one), listed(other))) == one & other
    assert members(ranks_from([(0, 12), *batched(listed(one))])) == set(range(12)) - one
    assert list(common(listed(one), (0, 12))) == sorted(set(listed(one)))


def test_without_conditions_there_are_no_branches() -> None:
    """Numbers are what they were."""
    assert type(cells_of([Axis(choices=3)])) is Cells


def test_where_there_are_too_many_branches_trials_are_told_apart_all_the_same() -> None:
    """By hashes, in which inactive values have no part."""
    many = Axis(low=1.0, high=2.0 + MAX_BRANCHES, step=1.0)
    axes = [many, Axis(choices=5, when=(((0, tuple(range(1, many.count))),),))]
    cells = cells_of(axes)
    assert not cells.counted
    first = numpy.array([1.0, 1.0, 2.0, 2.0, 3.0])
    numbers = cells.numbers([first, numpy.array([0, 3, 0, 3, 3])])
    assert numbers[0] == numbers[1]
    assert len(set(numbers.tolist())) == 4


def test_a_range_of_floats_may_be_a_parent() -> None:
    """Its values on one side of a bound are cells of their own, on the other pairs with a choice's;
    and each is told from all others."""
    lr = Axis(low=1.0, high=1.0 + 2.0**-49)
    ranks = lr.below(1.0 + 2.0**-50, included=False)
    kind = Axis(choices=3, when=(((0, (ranks, lr.count)),),))
    cells = cells_of([lr, kind])
    assert (ranks, lr.count) == (4, 9)
    assert cells.counted
    assert cells.count == 4 + 5 * 3
    numbers = numpy.arange(cells.count, dtype=numpy.uint64)
    columns = cells.columns(numbers)
    assert numpy.array_equal(cells.numbers(columns), numbers)
    assert ((columns[1] > 0) <= (columns[0] >= 1.0 + 2.0**-50)).all()
    assert len(set(zip(*(c.tolist() for c in columns), strict=True))) == cells.count


def test_floats_have_cells_too() -> None:
    """A branch of one cell beside one of all floats of a range."""
    lr = Axis(low=1.0, high=1.0 + 2.0**-50, when=(((0, (1, 2)),),))
    cells = cells_of([Axis(choices=2), lr])
    assert cells.count == 1 + lr.count == 6
    columns = cells.columns(numpy.arange(6, dtype=numpy.uint64))
    assert sorted(columns[1].tolist()) == [1.0, *(1.0 + k * 2.0**-52 for k in range(5))]
