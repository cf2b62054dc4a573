"""The command that a cluster runs: started when the head is up, asked to save, and ended."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from shoal.slurm import wire
from shoal.slurm.node import ends_with_us

KILL_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Orders:
    """The orders of a supervisor: what it runs on the cluster, and how.

    Attributes:
        command: what to run on the cluster; empty: keep the cluster up until the job ends.
        prefix: what to put before each process on a node, such as ``apptainer exec --nv IMAGE``.
        interface: the network interface of all nodes, or None.
        ports: the range that Ray's ports are of, on all nodes, or None: any.
    """

    command: Sequence[str]
    prefix: Sequence[str]
    interface: str | None
    ports: range | None = None


class Command:
    """The running command, in a session of its own."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
            preexec_fn=ends_with_us(signal.SIGTERM),  # it saves, and Ray goes with the steps
        )
        self._asked: int | None = None

    @property
    def code(self) -> int | None:
        """Its exit code, 128 + N after signal N; None while it runs."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    @property
    def failed(self) -> bool:
        """Whether its exit code says neither success nor that it is to be started again."""
        return self.code not in (None, 0, wire.EXIT_SAVED, wire.EXIT_NOTHING_GAINED)

    @property
    def struck_down(self) -> bool:
        """Whether the signal that asked it to end has killed it, as it had no handler yet."""
        return self._asked is not None and self.code == 128 + self._asked

    def ask(self, number: int) -> None:
        """Send it a signal; to it alone, since its children may still save."""
        if self.code is None:
            self._asked = number
            self._process.send_signal(number)

    def end(self, patience_seconds: float) -> None:
        """Ask it to end; after `patience_seconds` kill it with all that it has started."""
        self.ask(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_seconds)
        if self.code is None:
            self.kill()

    def kill(self) -> None:
        """Kill its process group."""
        with suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):  # it may hang in a disk that does not answer
            self._process.wait(KILL_SECONDS)
