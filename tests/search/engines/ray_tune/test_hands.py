"""Which of Ray Tune's workers get a pack where some hosts cannot run it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from shoal.search.engines.ray_tune import hands as module
from shoal.search.engines.ray_tune.cluster import Cluster
from shoal.search.engines.ray_tune.hands import Hands
from shoal.search.rounds.packs import Pack


class TwoHosts(Cluster):
    """A cluster of two hosts with two slots each."""

    def slots(self, needs: Mapping[str, float]) -> int:
        return 4

    def hosts(self, needs: Mapping[str, float]) -> set[str]:
        return {"n1", "n2"}


class Some:
    """Rounds with so many packs that wait, and more to come."""

    whole = halted = exhausted = False
    ready = 0


@pytest.fixture
def rounds() -> Some:
    """None waits."""
    return Some()


def hands_of(rounds: Some, workers: int | None, tmp_path: Path) -> Hands:
    """The hands of a search on two hosts."""
    return Hands(rounds, TwoHosts(own=False, temp=tmp_path), workers, {"cpu": 1.0})  # type: ignore[arg-type]  # a stand-in


def test_a_host_that_cannot_run_a_pack_leaves_it_to_another(rounds: Some, tmp_path: Path) -> None:
    """Its worker gets the next idle pack and keeps it, while those of others end for the pack."""
    hands = hands_of(rounds, None, tmp_path)
    hands.idle |= {"one", "two"}
    assert not hands.owes_idle()
    hands.fails("n2")
    rounds.ready = 1
    assert hands.owes_idle()
    hands.bench()
    hands.idle.add("three")
    assert not hands.owes_idle()
    assert not hands.idle_may_end("three", "n2", waiting=False)
    assert hands.idle_may_end("one", "n1", waiting=False)
    hands.works("n2")  # it is mended
    assert hands.idle_may_end("three", "n2", waiting=False)


def test_workers_that_are_left_out_take_no_place_of_others(rounds: Some, tmp_path: Path) -> None:
    """Of two workers that are wanted both came up on the wrong host: two more are started."""
    hands = hands_of(rounds, 2, tmp_path)
    hands.idle |= {"one", "two"}
    assert hands.full
    hands.fails("n2")
    for trial in ("one", "two"):
        assert not hands.idle_may_end(trial, "n2", waiting=True)
    assert not hands.full
    hands.packs["three"] = hands.packs["four"] = (Pack.__new__(Pack), 0.0)
    assert hands.full


def test_nobody_is_left_out_where_all_hosts_fail_or_nothing_is_left_to_do(
    rounds: Some, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor after a minute, when it may be mended."""
    hands = hands_of(rounds, None, tmp_path)
    hands.idle |= {"one"}
    rounds.ready = 1
    hands.fails("n2")
    assert not hands.idle_may_end("one", "n2", waiting=False)
    rounds.whole = True
    assert hands.idle_may_end("one", "n2", waiting=False)
    rounds.whole = False
    hands.fails("n1")
    assert hands.idle_may_end("one", "n2", waiting=False)
    hands.works("n1")
    assert not hands.idle_may_end("one", "n2", waiting=False)
    monkeypatch.setattr(module, "BENCH_SECONDS", 0.0)
    assert hands.idle_may_end("one", "n2", waiting=False)
