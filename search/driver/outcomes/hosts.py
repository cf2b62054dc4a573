"""Hosts that cannot run what was settled: whether any other can.

A worker without the compiler, the libraries or the room that its pack's program takes gives it back
as its host's fault. The pack goes to others, as if nothing had been; the search ends once there are
no others. Where all workers are on this machine there are none from the beginning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from shoal.search.errors import ProgramLost
from shoal.trainable.programs import Settled, key, words

FAULT_SECONDS = 3.0
"""How long a worker whose host cannot run a pack keeps it, so that others take the next."""

STARVED_SECONDS = 120.0
"""How long nothing but faults may come back while nothing runs for long."""


class Hosts:
    """What is known of the hosts of a search.

    Args:
        live: names of those that have slots now; None: this machine alone.
    """

    def __init__(self, live: Callable[[], set[str]] | None = None) -> None:
        self._live = live
        self._faults: dict[str, str] = {}
        self._since: float | None = None  # when the first of the last faults came, in a row
        self._out: dict[str, float] = {}

    def takes(self, pack: str) -> None:
        """A worker, we do not know where, has a pack now."""
        self._out[pack] = time.monotonic()

    def gives(self, pack: str) -> None:
        """A pack is back."""
        self._out.pop(pack, None)

    def works(self, host: str) -> None:
        """A pack has run on a host."""
        self._faults.pop(host, None)
        self._since = None

    def fails(self, host: str, why: str) -> bool:
        """A host cannot run its pack; return whether no host can."""
        now = time.monotonic()
        self._faults[host] = why
        self._since = now if self._since is None else self._since
        if self._live is None:
            return True
        live = self._live()
        if live and live <= self._faults.keys():
            return True
        oldest = min(self._out.values(), default=now)  # what runs for long works
        return now - self._since > STARVED_SECONDS and now - oldest < STARVED_SECONDS


def lost(settled: Settled, shape: Mapping[str, Any], why: str) -> ProgramLost:
    """What a search ends with whose packs of a shape cannot be run by any host."""
    program = f"{settled.programs.get(key(shape))} of {words(shape)}, {settled.compiler}"
    return ProgramLost(
        f"no host can run what search.toml says ({program}): {why}; mend that and the same command "
        "goes on, or begin anew with --program eager and another --out"
    )
