"""Which packs Ray Tune's workers run, and which workers are kept idle because their host fails."""

from __future__ import annotations

import time
from collections.abc import Mapping

from shoal.search.engines.ray_tune.cluster import Cluster
from shoal.search.rounds import Pack, Rounds

SLOTS_SECONDS = 0.5
"""How often a running cluster is asked for its slots; a Ray of our own keeps those that it has."""

BENCH_SECONDS = 60.0
"""How long a host that could not run a pack is left without one, as long as there are others."""


class Hands:
    """Packs that workers run, and idle packs, by Tune's trial id.

    A worker whose host cannot run a pack is the first that is free again, and would get the same
    pack. So it gets an idle pack, and keeps it while there are hosts that have not failed: their
    workers take the pack, or new ones, since that slot is taken.
    """

    def __init__(
        self, rounds: Rounds, cluster: Cluster, workers: int | None, needs: Mapping[str, float]
    ) -> None:
        self.rounds = rounds
        self.packs: dict[str, tuple[Pack, float]] = {}
        self.idle: set[str] = set()
        self._cluster, self._workers, self._needs = cluster, workers, needs
        self._slots, self._alive, self._asked = 0, 0, 0.0
        self._faults: dict[str, float] = {}
        self._owed = 0
        self._left_out: set[str] = set()
        self._hosts: set[str] = set()
        self._looked = 0.0

    @property
    def slots(self) -> int:
        """How many packs can run at the same time, now."""
        now = time.monotonic()
        fixed = self._cluster.own and self._slots > 0
        if not fixed and now - self._asked > SLOTS_SECONDS:
            self._alive = self._cluster.slots(self._needs)
            most = self._alive if self._workers is None else self._workers
            self._slots = min(self._alive, most)
            self._asked = now
        return self._slots

    @property
    def gone(self) -> str | None:
        """What of a Ray of our own has ended; None: nothing."""
        return self._cluster.gone

    def free(self) -> str:
        """Say what of the cluster is free."""
        return self._cluster.free(self._needs)

    @property
    def full(self) -> bool:
        """Whether all slots are taken."""
        slots, held = max(1, self.slots), len(self.packs) + len(self.idle)
        return held - len(self.idle & self._left_out) >= slots or held >= max(1, self._alive)

    def fails(self, host: str) -> None:
        """Record that a host could not run a pack and returned it."""
        self._faults[host] = time.monotonic()
        self._owed += self.benched(host)

    def works(self, host: str) -> None:
        """Record that a pack has run on a host."""
        self._faults.pop(host, None)

    def benched(self, host: str) -> bool:
        """Whether a host failed lately, and another one did not."""
        now = time.monotonic()
        if now - self._faults.get(host, float("-inf")) > BENCH_SECONDS:
            return False
        if now - self._looked > SLOTS_SECONDS:
            self._looked, self._hosts = now, self._cluster.hosts(self._needs)
        return any(
            now - self._faults.get(other, float("-inf")) > BENCH_SECONDS for other in self._hosts
        )

    def owes_idle(self) -> bool:
        """Whether the next free worker is expected to be on a host that has just failed."""
        return self._owed > 0

    def bench(self) -> None:
        """Record that a worker gets an idle pack."""
        self._owed = max(0, self._owed - 1)

    def idle_may_end(self, trial: str, host: str, *, waiting: bool) -> bool:
        """Whether an idle pack may end: its worker is needed, or is needed no more.

        Args:
            trial: Tune's id of its idle pack.
            host: the worker's.
            waiting: whether a trial waits for a worker.
        """
        self._left_out &= self.idle
        held = len(self.packs) + len(self.idle)
        if self.rounds.whole or self.rounds.halted:
            return True
        if host in self._faults and self.benched(host):
            self._left_out.add(trial)
            return waiting and held > max(1, self._alive)
        self._left_out.discard(trial)
        over = held - len(self._left_out) > max(1, self.slots)
        return self.rounds.ready > 0 or self.rounds.exhausted or (over and waiting)
