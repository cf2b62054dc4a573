"""The global generators of random numbers, which are the process's, where fits run in threads."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy
import pytest
import torch
from torch import nn

from shoal.trainable.problems.calls import data_of, initial_of, noise_of, validation_of
from shoal.trainable.problems.instance import instance_of
from shoal.trainable.process import ambient, generators

NOT_YET = 0.3
"""Seconds that another thread is given to come between; where it may not, it waits."""

SOON = 60
"""Seconds within which another thread has had its turn, where it may; on a busy machine too."""


class Draws:
    """A problem each of whose methods seeds the global generator and draws from it, as many do."""

    def __init__(self, between: Callable[[], Any] = lambda: None) -> None:
        self.between = between

    def _drawn(self, seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        one = torch.rand(3)
        self.between()
        return torch.cat([one, torch.rand(3)])

    def initial(self, seed: int) -> torch.Tensor:
        return self._drawn(seed)

    def data(self) -> torch.Tensor:
        return self._drawn(1)

    def validation(self) -> torch.Tensor:
        return self._drawn(2)

    def noise(self, seed: int, step: int) -> torch.Tensor:
        return self._drawn(seed + step)


class DrawsFirst(Draws):
    """One whose constructor draws too, and that prepares itself."""

    def __init__(self, between: Callable[[], Any]) -> None:
        super().__init__(between)
        self.made = self._drawn(6)

    def prepare(self) -> dict[str, torch.Tensor]:
        return {"made": self.made, "drawn": self._drawn(3)}


def built(between: Callable[[], Any]) -> torch.Tensor:
    """The parameters of a module, as a fit's are."""
    with generators.seeded(4):
        one = nn.Linear(2, 2).weight.detach()
        between()
        return torch.cat([one, nn.Linear(2, 2).weight.detach()])


def imported(between: Callable[[], Any]) -> torch.Tensor:
    """What the import of a problem draws."""

    def load() -> torch.Tensor:
        one = torch.rand(3)
        between()
        return torch.cat([one, torch.rand(3)])

    return ambient.kept("draws", load)


def prepared(between: Callable[[], Any]) -> torch.Tensor:
    """What the constructor and ``prepare`` draw."""
    found = instance_of(DrawsFirst, {"between": between}).prepared
    return torch.cat([found["made"], found["drawn"]])


WAYS: dict[str, Callable[[Callable[[], Any]], torch.Tensor]] = {
    "module": built,
    "import": imported,
    "prepare": prepared,
    "initial": lambda between: initial_of(Draws(between), 7, {}),
    "data": lambda between: data_of(Draws(between)),
    "validation": lambda between: validation_of(Draws(between)),
    "noise": lambda between: noise_of(Draws(between), 1, 2),
}


@pytest.mark.parametrize("other", ["import", "initial", "module"])
@pytest.mark.parametrize("way", WAYS)
def test_no_other_thread_draws_or_puts_states_back_between_two_draws(way: str, other: str) -> None:
    """It stops in the middle for the other one to come between, which has its own numbers too."""
    alone, others = WAYS[way](lambda: None), WAYS[other](lambda: None)
    inside, go, theirs = threading.Event(), threading.Event(), list[torch.Tensor]()

    def hold() -> None:
        inside.set()
        go.wait(5 * NOT_YET)  # it may rightly come between the constructor and prepare()

    thread = threading.Thread(target=lambda: theirs.append(WAYS[other](hold)))

    def between() -> None:
        if thread.ident is None:
            thread.start()
            inside.wait(NOT_YET)

    try:
        assert torch.equal(WAYS[way](between), alone)
    finally:
        go.set()
        thread.join()
    assert torch.equal(theirs[0], others)


@pytest.mark.parametrize("held", [False, True])
def test_threads_of_a_session_draw_while_it_runs(held: bool) -> None:
    """It may begin within a problem's code, which has the generators alone."""
    drawn = threading.Event()

    def draw() -> None:
        initial_of(Draws(), 7, {})
        drawn.set()

    thread = threading.Thread(target=draw, daemon=True)
    with generators.alone if held else nullcontext():
        before = torch.get_rng_state()
        with ambient.session():
            thread.start()
            assert drawn.wait(SOON)
        assert torch.equal(torch.get_rng_state(), before)
        if held:
            other = threading.Thread(target=lambda: initial_of(Draws(), 7, {}), daemon=True)
            other.start()
            other.join(NOT_YET)
            assert other.is_alive(), "it has them alone again"
    if held:
        other.join(SOON)
        assert not other.is_alive()


def test_a_session_ends_beside_a_call_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose numbers stay those that it draws: nothing is put back under it."""
    monkeypatch.setattr(generators, "PATIENCE_SECONDS", 0.05)
    inside, go, theirs = threading.Event(), threading.Event(), list[torch.Tensor]()

    def hold() -> None:
        inside.set()
        go.wait()

    thread = threading.Thread(target=lambda: theirs.append(initial_of(Draws(hold), 7, {})))
    with ambient.session():
        thread.start()
        assert inside.wait(SOON)
    go.set()
    thread.join(SOON)
    assert torch.equal(theirs[0], initial_of(Draws(), 7, {}))


def test_a_seed_may_be_any_of_a_fit() -> None:
    with generators.seeded(2**63 - 1):
        one = torch.rand(2), random.random(), numpy.random.random()
    with generators.seeded(2**63 - 1):
        again = torch.rand(2), random.random(), numpy.random.random()
    assert torch.equal(one[0], again[0])
    assert one[1:] == again[1:]
