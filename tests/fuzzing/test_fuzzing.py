"""The fuzzer, in short: random problems give torch's numbers, and planted faults are found."""

from __future__ import annotations

from collections import Counter

import pytest
from fuzzing.faults import OPERATORS, Fault, kind
from fuzzing.grammar import Problem, problem
from fuzzing.trial import Trial, tried

from shoal.trainable.fused.loops.operators import NotLowered

pytestmark = pytest.mark.filterwarnings("ignore")
"""Torch warns of what the grammar writes, such as the transpose of a number."""

SEEDS = range(1000, 1024)

FOUND_LATE = (
    "and as or",
    "negative numbers are false",
    "not as itself",
    "a maximum that begins at zero",
)
"""Faults that only many problems tell."""

MAX_TRIED = 40
"""Problems that use an operator, of which one has to tell its fault."""


@pytest.fixture(scope="module")
def sources() -> list[tuple[Problem, str]]:
    """Problems, each with the source of its kernel."""
    found = []
    for seed in range(180):
        try:
            found.append((problem(seed), Trial(problem(seed)).kernel().source))
        except NotLowered:
            continue
    return found


@pytest.mark.parametrize("seeds", [SEEDS[::2], pytest.param(SEEDS[1::2], marks=pytest.mark.long)])
def test_random_problems_give_the_numbers_of_torch(seeds: range) -> None:
    """A dozen problems each time, most of them fused; `make fuzz` tries thousands."""
    results = [tried(problem(seed)) for seed in seeds]
    assert [line for result in results for line in result.wrong] == []
    refused = Counter(result.refused for result in results if result.refused is not None)
    assert refused.total() <= 0.2 * len(seeds), refused
    unsettled = sum(result.unsettled for result in results)
    assert unsettled < 0.01 * sum(result.compared for result in results)


@pytest.mark.parametrize(
    "fault",
    [pytest.param(f, marks=pytest.mark.long) if f.name in FOUND_LATE else f for f in OPERATORS],
    ids=lambda fault: fault.name,
)
def test_a_planted_operator_fault_is_found(
    fault: Fault, sources: list[tuple[Problem, str]]
) -> None:
    """By one of the first problems that use the operator; those that compile quickly are tried
    before the others."""
    used = [each for each in sources if fault.planted(each[1]) != each[1]][:MAX_TRIED]
    assert used
    quickly = sorted(used, key=lambda each: len(each[1]))
    assert any(tried(given, kind(fault)).wrong for given, _ in quickly)
