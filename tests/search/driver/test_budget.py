"""Where the time went: shares that sum to the wall time, whatever the slots did."""

from __future__ import annotations

import random
import threading
import time

import pytest

from shoal.search.driver.budget import Budget

MOMENT = 0.02
"""Seconds of each thing that is done here."""


def since(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Seconds of each part between two readings."""
    return {name: after[name] - before[name] for name in after}


def assert_sums_to_the_wall_time(budget: Budget, began: float) -> None:
    """To a microsecond: the clock is read before and after."""
    before = time.monotonic() - began
    total = sum(budget.seconds().values())
    assert before - 1e-6 <= total <= time.monotonic() - began + 1e-6


@pytest.mark.parametrize("label", ["Ray Tune", "threads"])
def test_shares_sum_to_the_wall_time(label: str) -> None:
    """Slots that take and give in any order, hold packs longer than they fit, or say that they
    fitted longer than they held; none is negative."""
    rng = random.Random(0)
    began = time.monotonic()
    budget = Budget(began, label=label)
    busy = 0
    for i in range(40):
        if busy and rng.random() < 0.5:
            held = rng.random() * MOMENT
            budget.give(held * 2 * rng.random(), held, first=i % 3 == 0)
            busy -= 1
        else:
            budget.take()
            busy += 1
        if i % 7 == 0:
            budget.slots(rng.randrange(4))
        budget.asking = rng.random() < 0.5
        with budget.writing():
            time.sleep(0.001)
    shares = budget.seconds()
    assert list(shares) == ["start-up", "sampling", "fitting", label, "run folder", "waiting"]
    assert min(shares.values()) >= 0
    assert_sums_to_the_wall_time(budget, began)


def test_a_second_counts_for_what_all_slots_did() -> None:
    """Before the first pack it is the start-up; one of two slots busy is half of the time."""
    budget = Budget(label="threads")
    budget.slots(2)
    time.sleep(MOMENT)
    start = budget.seconds()
    assert {name for name, seconds in start.items() if seconds} == {"start-up"}
    assert start["start-up"] >= MOMENT
    budget.take()
    budget.asking = True
    before = budget.seconds()
    time.sleep(2 * MOMENT)
    found = since(before, budget.seconds())
    assert {name for name, seconds in found.items() if seconds} == {"fitting", "sampling"}
    assert found["fitting"] == pytest.approx(found["sampling"], rel=1e-6)
    assert found["fitting"] >= MOMENT


@pytest.mark.parametrize(("first", "part"), [(True, "start-up"), (False, "threads")])
def test_what_a_worker_held_and_did_not_fit_is_its_start_or_the_handing_over(
    first: bool, part: str
) -> None:
    """It is taken from the fitting, by the share of one slot, and never more than there is."""
    budget = Budget(label="threads")
    budget.slots(2)
    budget.take()
    budget.take()
    time.sleep(2 * MOMENT)
    before = budget.seconds()
    budget.give(0.5 * MOMENT, 1.5 * MOMENT, first=first)
    assert since(before, budget.seconds())[part] == pytest.approx(MOMENT / 2, rel=1e-6)
    budget.give(0.0, 1e6, first=first)
    assert budget.seconds()["fitting"] == 0.0


def test_writing_counts_where_no_slot_is_busy() -> None:
    """Also where it fails."""
    budget = Budget(label="Ray Tune")
    budget.take()
    budget.give(0.0, 0.0, first=True)

    def fail() -> None:
        with budget.writing():
            time.sleep(MOMENT)
            raise OSError("full")

    before = budget.seconds()
    with pytest.raises(OSError, match="full"):
        fail()
    middle = budget.seconds()
    time.sleep(MOMENT)
    assert since(before, middle)["run folder"] >= MOMENT
    assert since(middle, budget.seconds())["run folder"] == 0
    assert since(middle, budget.seconds())["waiting"] >= MOMENT


def test_threads_that_ask_in_one_moment_count_each_second_once() -> None:
    """The sum is still the wall time."""
    began = time.monotonic()
    budget = Budget(began, label="Ray Tune")
    budget.take()

    def often() -> None:
        for _ in range(2000):
            budget.tick()

    threads = [threading.Thread(target=often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_sums_to_the_wall_time(budget, began)
