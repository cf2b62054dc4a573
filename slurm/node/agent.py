"""The node agent: Ray on one node of the allocation, for as long as the step lives.

Its role and its share of the node are said to it. It gives Ray a closed temp folder on the node's
own disk, publishes where the head is, and leaves nothing behind: no process and no folder.
A worker's agent that loses head and batch host puts the job back into the queue.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoal.slurm import wire
from shoal.slurm.errors import ClusterError, SlurmError
from shoal.slurm.files import opened
from shoal.slurm.jobfolder import JobFolder
from shoal.slurm.node import ports, temp
from shoal.slurm.node.addresses import answers, own_address
from shoal.slurm.node.memory import MemoryKills, store_bytes, warning
from shoal.slurm.node.processes import Leave, adopt_orphans, end_descendants, ends_with_us
from shoal.slurm.node.ray_nodes import count_nodes
from shoal.slurm.queue import Share, Turn, commands, end_job, pause_seconds, put_back

HEAD_SECONDS = 120.0
"""Timeout of a worker's wait for the head."""

START_SECONDS = 90.0
POLL_SECONDS = 0.2

LOST_SECONDS = 15.0
"""How long the head may be unreachable before a worker's agent asks SLURM for its state."""

SILENT_SECONDS = 30.0
"""Heartbeat timeout: how long the batch host may be silent before it counts as lost."""

GIVE_UP_SECONDS = 150.0

WATCH_SECONDS, ASK_SECONDS = 2.0, 8.0
"""Intervals at which a worker's agent looks for the head, and, once that is lost, asks SLURM."""


@dataclass(frozen=True, kw_only=True)
class Role:
    """The role of an agent: head or worker, and its share of the node.

    Attributes:
        head: whether this node has the head.
        expected: nodes of the allocation.
        job: the id to requeue by.
        interface: the network interface to use, such as ``ib0``, or None to find one.
        ports: the range that Ray's ports are of, or None: any.
    """

    head: bool
    share: Share
    expected: int
    job: str
    interface: str | None
    ports: range | None = None


def ray_command(
    role: Role, *, address: str, head: str | None, temp_dir: Path, ports: Sequence[str]
) -> list[str]:
    """Return the command that runs ``ray start`` in the foreground (`ray_nodes.start`).

    Args:
        address: this node's.
        head: the head's HOST:PORT; None on the head itself.
        ports: options for its ports.
    """
    share, store = role.share, store_bytes(role.share)
    where = ["--head", "--include-dashboard=false", "--no-monitor"]
    if head is not None:
        where = [f"--address={head}"]
    memory = [f"--memory={max(share.memory_bytes - store, 1 << 20)}"] if share.memory_bytes else []
    return [
        sys.executable,
        "-P",
        "-m",
        "shoal.slurm.node.ray_nodes",
        *where,
        f"--node-ip-address={address}",
        f"--num-cpus={share.cpus}",
        f"--num-gpus={share.gpus}",
        *memory,
        f"--object-store-memory={store}",
        f"--temp-dir={temp_dir}",
        *ports,
        "--include-log-monitor=false",
        "--disable-usage-stats",
        "--block",
    ]


class Agent:
    """Runs Ray on one node."""

    def __init__(self, role: Role, folder: JobFolder) -> None:
        self._role, self._folder = role, folder
        self._memory = MemoryKills()
        before = folder.read(wire.memory(role.share.node)) or {}
        self._killed = int(before.get(wire.KILLS_KEY, 0))
        self._ports: list[str] = []

    def run(self) -> int:
        """Run until Ray or the step ends; return the exit code.

        Raises:
            ClusterError: Ray did not start, or the head did not come.
        """
        self._write_own_log()
        adopt_orphans()
        leave = Leave(lambda number: _say(f"ended by signal {number}"))
        # sbatch --signal without B: warns the steps, Ray too, which it would end
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        temp.remove_left_over()
        parent = temp.make(self._role.job)
        os.environ[wire.NODE_TEMP_VARIABLE] = str(parent)
        temp.keep(parent)
        try:
            slots = max(self._role.share.cpus, self._role.share.gpus)
            with ports.for_node(self._role.ports, slots, head=self._role.head) as self._ports:
                return self._head(parent) if self._role.head else self._worker(parent)
        finally:
            leave.no_more()
            end_descendants()
            temp.remove(parent)

    def _write_own_log(self) -> None:
        """Redirect output to the node's log, not through srun, which ends with the batch host."""
        log = self._folder.log(self._role.share.node)
        try:
            handle = opened(log, os.O_WRONLY | os.O_APPEND)
        except OSError as error:
            raise ClusterError(
                f"{self._role.share.node} does not see the run folder ({log}: {error.strerror}): "
                "give an --out on a disk that all nodes share"
            ) from error
        sys.stdout.flush()
        for stream in (1, 2):
            os.dup2(handle, stream)
        os.close(handle)

    def _head(self, parent: Path) -> int:
        own = own_address(self._role.interface)
        inside = parent / "r"
        ray = self._start(self._command(own, None, inside))
        address = self._await_address(ray, inside / "ray_current_cluster")
        _await_port(ray, address)
        node = self._role.share.node
        self._folder.publish(wire.HEAD, {wire.ADDRESS_KEY: address, wire.NODE_KEY: node})
        _say(f"the head is up at {address}")
        counted: dict[str, Any] = {}
        while ray.poll() is None:
            now = count_nodes(address)
            if now is not None and now != counted:
                counted = now
                self._folder.publish(wire.CLUSTER, now)
            self._look_at_memory()
            pause = 0.5 if len(counted.get(wire.NODES_KEY, {})) < self._role.expected else 2.0
            with suppress(subprocess.TimeoutExpired):
                ray.wait(pause)
        _say(f"Ray's head ended with exit code {ray.returncode}")
        return 1

    def _worker(self, parent: Path) -> int:
        head = self._await_head()
        own = own_address(self._role.interface, towards=head)
        ray = self._start(self._command(own, head, parent / "r"))
        last_seen, ask = time.monotonic(), 0.0
        look = Turn(self._folder, "look", ASK_SECONDS, self._role.expected)
        while True:
            self._look_at_memory()
            now = time.monotonic()
            if answers(head):
                last_seen = now
                if ray.poll() is not None:
                    _say(f"Ray ended with exit code {ray.returncode}")
                    return 1
            lost = now - last_seen
            if lost > LOST_SECONDS and now > ask:
                ask = now + pause_seconds(self._role.expected, ASK_SECONDS)
                if look.take() and self._batch_host_is_gone():
                    return self._put_back()
            if lost > GIVE_UP_SECONDS:
                raise ClusterError(f"the head at {head} has been out of reach for {lost:.0f} s")
            time.sleep(WATCH_SECONDS)

    def _look_at_memory(self) -> None:
        """Publish out-of-memory kills: to Ray these are workers that died."""
        killed = self._memory.new()
        if killed:
            self._killed += killed
            node, limit = self._role.share.node, self._memory.limit_bytes
            _say(warning(limit))
            record = {wire.KILLS_KEY: self._killed, wire.LIMIT_KEY: limit}
            self._folder.publish(wire.memory(node), record)

    def _command(self, own: str, head: str | None, temp_dir: Path) -> list[str]:
        return ray_command(self._role, address=own, head=head, temp_dir=temp_dir, ports=self._ports)

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, preexec_fn=ends_with_us(signal.SIGKILL)
        )

    def _await_address(self, ray: subprocess.Popen[bytes], file: Path) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if ray.poll() is not None:
                raise ClusterError(f"ray start ended with exit code {ray.returncode}")
            with suppress(OSError):
                address = file.read_text(encoding="utf-8").strip()
                if address:
                    return address
            time.sleep(POLL_SECONDS)
        raise ClusterError(f"ray start did not say its address in {START_SECONDS:.0f} s")

    def _await_head(self) -> str:
        deadline = time.monotonic() + HEAD_SECONDS
        listen = time.monotonic() + SILENT_SECONDS
        if self._folder.read(wire.HEAD) is None:
            _say("waiting for the head")
        while time.monotonic() < deadline:
            head = self._folder.read(wire.HEAD)
            if head is not None:
                return str(head[wire.ADDRESS_KEY])
            if time.monotonic() > listen:
                listen = time.monotonic() + SILENT_SECONDS
                if self._folder.silence_seconds() > SILENT_SECONDS and self._batch_host_is_gone():
                    raise ClusterError("the batch host went away before the head was up")
            time.sleep(pause_seconds(self._role.expected, POLL_SECONDS))
        raise ClusterError(f"no head came in {HEAD_SECONDS:.0f} s")

    def _batch_host_is_gone(self) -> bool:
        """Whether the batch host is down by SLURM's node state, or its heartbeat has timed out.

        This node may be the one that is cut off: then SLURM does not answer, and nothing is done.
        """
        head = (self._folder.read(wire.HEAD) or {}).get(wire.NODE_KEY)
        try:
            state = commands.node_states([str(head)]).get(str(head), "") if head else ""
        except SlurmError:
            return False
        dead = state.startswith(("down", "fail")) or state.endswith("*")
        return dead or self._folder.silence_seconds() > SILENT_SECONDS

    def _put_back(self) -> int:
        why, job = "the batch host is lost", self._role.job
        _say(f"{why}: asking SLURM to put job {job} back into the queue")
        try:
            _say(
                put_back(
                    job,
                    self._folder,
                    why,
                    nodes=self._role.expected,
                    otherwise=lambda: end_job(job),  # nobody else is left to end it
                )
            )
        except ClusterError as error:
            _say(str(error))
        return 1


def _say(message: str) -> None:
    print(f"shoal: {socket.gethostname()}: {message}", flush=True)


def _await_port(ray: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers(address):
        if ray.poll() is not None or time.monotonic() > deadline:
            raise ClusterError(f"Ray's head does not answer at {address}")
        time.sleep(POLL_SECONDS)
