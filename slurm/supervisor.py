"""The batch side of a cluster: one step per node, the command, and what happens when one ends.

It runs in the batch step, on the first node of the allocation. The command starts as soon as the
head is up; further nodes join while it runs. The job's exit code is the command's.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from slurm import commands, temp
from slurm.allocation import Allocation, Share
from slurm.ending import MOST_REQUEUES, put_back
from slurm.errors import ClusterError, SlurmError
from slurm.jobfolder import JobFolder
from slurm.steps import on_node
from slurm.variables import for_ray, for_step

POLL_SECONDS, BEAT_SECONDS = 0.2, 5.0
HEAD_SECONDS = 120.0
"""How long the head may take to come up."""

MOST_RESTARTS = 2
"""How often the agent of a worker node is started again."""

RESTART_SECONDS = 5.0
STOP_SECONDS = 8.0
"""How long the command, and then the steps, get to end after they were asked to."""

CUT_SECONDS = 20.0
"""How long the batch host may see neither another node nor SLURM before it gives up."""


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What the supervisor is told.

    Attributes:
        command: what to run on the cluster; empty: keep the cluster up until the job ends.
        prefix: what to put before each process on a node, such as ``apptainer exec --nv IMAGE``.
        interface: the network interface of all nodes, or None.
    """

    command: Sequence[str]
    prefix: Sequence[str]
    interface: str | None


class Step:
    """The agent of one node: an srun of its own."""

    def __init__(self, share: Share, process: subprocess.Popen[bytes]) -> None:
        self.share, self.process = share, process
        self.restarts = 0
        self.again: float | None = None

    @property
    def ended(self) -> bool:
        """Whether the step has ended and is not to be started again."""
        return self.process.poll() is not None and self.again is None


class Supervisor:
    """Runs one job's cluster.

    Args:
        node: the name of this node, the batch host.
        job: the id to requeue by.
    """

    def __init__(
        self, allocation: Allocation, folder: JobFolder, orders: Orders, *, node: str, job: str
    ) -> None:
        self._allocation, self._folder, self._orders = allocation, folder, orders
        self._job, self._node = job, node
        self._environment = for_ray(os.environ, folder.token)
        self._tmpdir = os.environ.get("TMPDIR", "/tmp")
        self._head_share = next(s for s in allocation.shares if s.node == node)
        self._steps: list[Step] = []
        self._command: subprocess.Popen[bytes] | None = None
        self._stopping: int | None = None
        self._counted: dict[str, dict[str, int]] = {}
        self._alone_since: float | None = None
        self._asked = 0.0

    def run(self) -> int:
        """Run the cluster until the command ends; return its exit code.

        Raises:
            ClusterError: the head did not come up or went away, and the job is not put back.
        """
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._stop)
        own_temp = temp.make(self._job)
        self._environment["TMPDIR"] = str(own_temp)  # what the command leaves there goes with us
        others = [s for s in self._allocation.shares if s is not self._head_share]
        try:
            self._steps = [Step(s, self._launch(s)) for s in (self._head_share, *others)]
            why = self._await_head()
            if why is None and self._stopping is None:
                self._begin()
                why = self._watch()
            if self._stopping is not None:
                self._folder.note_end(f"ended by signal {self._stopping}")
                return 128 + self._stopping
            if why is not None:
                self._end_command(patience=1.0)  # without its Ray it can do nothing more
                most = 1 if self._command is None and self._orders.command else MOST_REQUEUES
                _say(put_back(self._job, self._folder, why, bad_node=self._node, most=most))
                return 1
            assert self._command is not None
            code = self._command.wait()
            self._folder.note_end(f"the command ended with exit code {code}")
            return code if code >= 0 else 128 - code
        finally:
            self._end_command()
            self._end_steps()
            shutil.rmtree(own_temp, ignore_errors=True)

    def _launch(self, share: Share) -> subprocess.Popen[bytes]:
        head = share is self._head_share
        orders = self._orders
        agent = [
            *orders.prefix, "python", "-P", "-m", "slurm", "agent",
            "--role", "head" if head else "worker", "--folder", str(self._folder.path),
            "--life", str(self._folder.life), "--node", share.node, "--cpus", str(share.cpus),
            "--gpus", str(share.gpus), "--memory", str(share.memory),
            "--expected", str(len(self._allocation.shares)), "--job", self._job,
        ]  # fmt: skip
        if orders.interface is not None:
            agent += ["--interface", orders.interface]
        options, guard = on_node(share, self._allocation.shares)
        step = [
            "srun", "--overlap", "--no-kill", "--kill-on-bad-exit=0", *options, "--mem=0",
            "--export=ALL", "--input=none", "--unbuffered", f"--job-name=ray-{share.node}", *guard,
        ]  # fmt: skip
        with open(self._folder.log(share.node), "ab") as log:
            return subprocess.Popen(
                [*step, *agent], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=for_step({**self._environment, "TMPDIR": self._tmpdir}),
                start_new_session=True,
            )  # fmt: skip

    def _await_head(self) -> str | None:
        """Wait until the head is up; return why it is not, or None."""
        deadline = time.monotonic() + HEAD_SECONDS
        while self._folder.read("head") is None and self._stopping is None:
            head = self._steps[0]
            if head.process.poll() is not None or time.monotonic() > deadline:
                tail = self._folder.tail(self._node)
                if tail:
                    _say(f"the end of {self._folder.log(self._node)}:\n{tail}")
                return f"Ray's head did not start on {self._node}"
            self._folder.beat()
            time.sleep(POLL_SECONDS)
        return None

    def _begin(self) -> None:
        head = self._folder.read("head")
        assert head is not None
        self._environment["RAY_ADDRESS"] = str(head["address"])
        if not self._orders.command:
            _say(f"the cluster is up; use it by: shoal attach {self._job} -- run --trials 4096")
            return
        self._command = subprocess.Popen(
            [*self._orders.prefix, *self._orders.command], stdin=subprocess.DEVNULL,
            env=self._environment, start_new_session=True,
        )  # fmt: skip

    def _watch(self) -> str | None:
        """Watch until the command ends (None) or the head is lost (why)."""
        beaten = 0.0
        while self._stopping is None:
            if self._command is not None and self._command.poll() is not None:
                return None
            head, *workers = self._steps
            if head.process.poll() is not None:
                _say(f"the end of {self._folder.log(self._node)}:\n{self._folder.tail(self._node)}")
                return f"Ray's head on {self._node} ended"
            for step in workers:
                self._look_at(step)
            if time.monotonic() - beaten > BEAT_SECONDS:
                beaten = time.monotonic()
                if self._folder.superseded():
                    raise ClusterError(
                        f"job {self._job} was started again elsewhere: it stops here"
                    )
                self._folder.beat()
            self._tell_nodes()
            if self._cut_off():
                raise ClusterError(
                    f"{self._node} reaches neither the other nodes nor SLURM: it stops here"
                )
            time.sleep(POLL_SECONDS)
        return None

    def _look_at(self, step: Step) -> None:
        """Tell of a worker's agent that ended, and start it again some seconds later."""
        now = time.monotonic()
        if step.again is not None:
            if now >= step.again:
                step.again = None
                step.process = self._launch(step.share)
            return
        if step.process.poll() is None or step.restarts > MOST_RESTARTS:
            return
        step.restarts += 1
        node = step.share.node
        more = step.restarts <= MOST_RESTARTS
        then = "it is started again" if more else "the job goes on without it"
        _say(f"{node} left: {then}; the end of its log:\n{self._folder.tail(node)}")
        if more:
            step.again = now + RESTART_SECONDS * step.restarts

    def _tell_nodes(self) -> None:
        """Tell which nodes came and went."""
        cluster = self._folder.read("cluster")
        nodes = cluster["nodes"] if cluster is not None else {}
        if nodes == self._counted:
            return
        gone = [name.split()[0] for name in self._counted if name not in nodes]
        came = [name.split()[0] for name in nodes if name not in self._counted]
        if gone:
            _say(f"Ray lost {', '.join(sorted(gone))}: what ran there runs again elsewhere")
        cpus, gpus = (sum(have[kind] for have in nodes.values()) for kind in ("cpu", "gpu"))
        if came or gone:
            joined = f" ({', '.join(sorted(came))} joined)" if came else ""
            _say(
                f"cluster of {len(nodes)} of {len(self._allocation.shares)} nodes up, "
                f"{cpus} CPUs, {gpus} GPUs, {time.time() - self._allocation.started:.0f} s "
                f"after the job's start{joined}"
            )
        self._counted = nodes

    def _cut_off(self) -> bool:
        """Whether all other nodes are lost and SLURM is out of reach too: then the next life may
        have begun elsewhere, and two must not write one run folder."""
        if len(self._allocation.shares) == 1 or len(self._counted) != 1:
            self._alone_since = None
            return False
        now = time.monotonic()
        if self._alone_since is None:
            self._alone_since = now
        if now - self._alone_since < CUT_SECONDS or now - self._asked < CUT_SECONDS:
            return False
        self._asked = now
        try:
            commands.show_job(self._job)
        except SlurmError:
            return True
        return False

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = number

    def _end_command(self, patience: float = STOP_SECONDS) -> None:
        if self._command is None:
            return
        for number in (signal.SIGINT, signal.SIGKILL):
            if self._command.poll() is None:
                with suppress(OSError):
                    os.killpg(self._command.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    self._command.wait(patience)

    def _end_steps(self) -> None:
        running = [s.process for s in self._steps if s.process.poll() is None]
        if running:
            with suppress(SlurmError):
                commands.end_steps(self._job)
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            if process.poll() is None:
                process.kill()
                process.wait()


def _say(message: str) -> None:
    print(f"shoal: {message}", file=sys.stderr, flush=True)
