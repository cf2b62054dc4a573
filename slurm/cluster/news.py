"""Messages to the user while a cluster runs: nodes that join and leave, out-of-memory kills."""

from __future__ import annotations

import sys
import time

from shoal.slurm import wire
from shoal.slurm.jobfolder import JobFolder
from shoal.slurm.node import MemoryKills, warning
from shoal.slurm.queue import Allocation

MEMORY_SECONDS = 5.0
"""Interval at which the nodes' records of memory are read."""


def say(message: str) -> None:
    """Write a line for the job's user."""
    print(f"shoal: {message}", file=sys.stderr, flush=True)


class News:
    """Reports each event once, on standard error.

    Args:
        node: this node, whose batch step has a memory of its own.
    """

    def __init__(self, allocation: Allocation, folder: JobFolder, node: str) -> None:
        self._allocation, self._folder, self._node = allocation, folder, node
        self._kills = MemoryKills()
        self._told: dict[str, int] = {}
        self._looked = 0.0
        self.counted: dict[str, dict[str, int]] = {}
        """The nodes that Ray counts, as last told, and their resources."""

    def tell(self) -> None:
        """Report new events."""
        self._tell_nodes()
        if time.monotonic() - self._looked > MEMORY_SECONDS:
            self.tell_memory()

    def tell_memory(self) -> None:
        """Report the nodes with new out-of-memory kills."""
        self._looked = time.monotonic()
        if self._kills.new():
            say(f"{self._node}: {warning(self._kills.limit_bytes)}")
        for share in self._allocation.shares:
            word = self._folder.read(wire.memory(share.node)) or {}
            if word.get(wire.KILLS_KEY, 0) > self._told.get(share.node, 0):
                self._told[share.node] = word[wire.KILLS_KEY]
                say(f"{share.node}: {warning(word[wire.LIMIT_KEY])}")

    def _tell_nodes(self) -> None:
        cluster = self._folder.read(wire.CLUSTER)
        nodes = cluster[wire.NODES_KEY] if cluster is not None else {}
        if nodes == self.counted:
            return
        gone = [name.split()[0] for name in self.counted if name not in nodes]
        came = [name.split()[0] for name in nodes if name not in self.counted]
        if gone:
            say(f"Ray lost {', '.join(sorted(gone))}: what ran there runs again elsewhere")
        cpus, gpus = (
            sum(have[key] for have in nodes.values()) for key in (wire.CPU_KEY, wire.GPU_KEY)
        )
        if came or gone:
            joined = f" ({', '.join(sorted(came))} joined)" if came else ""
            say(
                f"cluster of {len(nodes)} of {len(self._allocation.shares)} nodes up, "
                f"{cpus} CPUs, {gpus} GPUs, {time.time() - self._allocation.started:.0f} s "
                f"after the job's start{joined}"
            )
        self.counted = nodes
