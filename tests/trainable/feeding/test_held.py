"""What updates take is held for later fits, within its bound."""

from __future__ import annotations

import torch

from shoal.trainable.feeding.held import Held

KIB = 1024


def made(kib: int = 1) -> list[torch.Tensor]:
    return [torch.zeros(kib * KIB, dtype=torch.uint8)]


def steps_held(held: Held, seed: int) -> list[int]:
    return [step for step in range(10) if held.get(seed, step) is not None]


def test_the_first_updates_of_a_seed_stay() -> None:
    """Each block of its fits goes through them in order: the latest would never be there again."""
    held, first = Held(4 * KIB), made()
    held.put(7, 0, first)
    for step in range(1, 10):
        held.put(7, step, made())
    assert held.get(7, 0) is first
    assert steps_held(held, 7) == [0, 1, 2, 3]


def test_others_make_room_all_of_theirs() -> None:
    """Since who comes again begins with the first update."""
    held = Held(4 * KIB)
    for seed, step in [(1, 0), (2, 0), (1, 1), (3, 0), (3, 1)]:
        held.put(seed, step, made())
    assert steps_held(held, 3) == [0, 1]
    assert [steps_held(held, seed) for seed in (1, 2)] in ([[], [0]], [[0, 1], []])
    held.put(3, 2, made(3))
    assert [steps_held(held, seed) for seed in (1, 2, 3)] == [[], [], [0, 1]]


def test_of_takers_that_take_turns_some_find_theirs_again() -> None:
    """More of them than have room: who was used the longest ago is the one that comes next."""
    held, found = Held(6 * KIB), 0
    for _ in range(40):
        for taker in "abcdefgh":
            if held.get(taker, 0) is None:
                held.put(taker, 0, made())
            else:
                found += 1
    assert 80 < found < 320


def test_a_tensor_of_several_updates_counts_once() -> None:
    """And a part of a larger one as the whole, which it keeps alive."""
    held, (same,) = Held(4 * KIB), made(3)
    for step in range(5):
        held.put(1, step, [same])
    held.put(1, 5, made())
    held.put(1, 6, made())
    assert steps_held(held, 1) == [0, 1, 2, 3, 4, 5]
    held.put(2, 0, [made(4)[0][:8]])
    held.put(2, 1, made(0))
    assert (steps_held(held, 1), steps_held(held, 2)) == ([], [0, 1])


def test_what_is_larger_than_the_bound_is_not_held() -> None:
    """Nor is anything else then let go of twice."""
    held = Held(4 * KIB)
    held.put(1, 0, made())
    held.put(2, 0, made(5))
    assert (steps_held(held, 1), steps_held(held, 2)) == ([], [])
    for step in range(5):
        held.put(1, step, made())
    assert steps_held(held, 1) == [0, 1, 2, 3]
