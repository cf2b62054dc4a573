"""The agents of a job's nodes, as the batch host sees them: one srun step each, restarted if it
ends.

One step over all nodes would be lost with any of them.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from shoal.slurm import wire
from shoal.slurm.cluster.news import say
from shoal.slurm.errors import SlurmError
from shoal.slurm.files import APPEND, opened
from shoal.slurm.jobfolder import JobFolder
from shoal.slurm.node import ends_with_us, for_step
from shoal.slurm.queue import Share, commands, on_node

MAX_RESTARTS = 2
"""Maximum number of restarts of a worker node's agent."""

FRESH_SECONDS = 600.0
"""Uptime after which an agent's restarts are reset: its node may have rebooted."""

RESTART_SECONDS, SELDOM_SECONDS = 5.0, 300.0
"""Backoff added at each restart; and the interval of attempts once it is given up, since a node may
take minutes to reboot."""

STOP_SECONDS, KILL_SECONDS = 8.0, 3.0
"""Timeouts of the steps' end: after they were asked to, and after srun was told to kill them."""


class Step:
    """The agent of one node: an srun of its own."""

    def __init__(self, share: Share, process: subprocess.Popen[bytes]) -> None:
        self.share = share
        self.restarts = 0
        self.begin(process)

    def begin(self, process: subprocess.Popen[bytes]) -> None:
        """Note that its agent was started."""
        self.process, self.began = process, time.monotonic()
        self.again: float | None = None

    def leave(self, now: float) -> bool:
        """Count that its agent has ended; return whether to tell the user."""
        if now - self.began > FRESH_SECONDS:
            self.restarts = 0
        self.restarts += 1
        given_up = self.restarts > MAX_RESTARTS
        self.again = now + (SELDOM_SECONDS if given_up else RESTART_SECONDS * self.restarts)
        return self.restarts <= MAX_RESTARTS + 1

    @property
    def ended(self) -> bool:
        """Whether it has ended and no restart is scheduled yet."""
        return self.again is None and self.process.poll() is not None


class Agents:
    """Starts an agent on every node.

    Args:
        job: the id to requeue by.
        number: the id to ask for steps by.
        shares: the head's node first.
        everywhere: the job's shares in SLURM's order.
        prefix: what to put before each agent.
        options: of the agent, the same on every node.
    """

    def __init__(
        self,
        folder: JobFolder,
        job: str,
        number: str,
        *,
        shares: Sequence[Share],
        everywhere: Sequence[Share],
        prefix: Sequence[str],
        options: Sequence[str],
        environment: Mapping[str, str],
    ) -> None:
        self._folder, self._job, self._number = folder, job, number
        self._mark = f"-{secrets.token_hex(4)}"
        self._everywhere, self._prefix, self._options = everywhere, prefix, options
        self._environment = for_step(environment)
        self._head = shares[0]
        steps = [Step(share, self._launch(share)) for share in shares]
        self.head, self.workers = steps[0], steps[1:]

    def look_after(self) -> None:
        """Report each worker's agent that has ended, and restart it some seconds later."""
        now = time.monotonic()
        for step in self.workers:
            if step.again is not None and now >= step.again:
                step.begin(self._launch(step.share))
            elif step.ended:
                self._tell(step, now)

    def end(self) -> None:
        """End all of them, within STOP_SECONDS."""
        running = [s.process for s in (self.head, *self.workers) if s.process.poll() is None]
        if running:
            with suppress(SlurmError):
                commands.end_steps(self._number, self._mark)
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
        for number in (signal.SIGTERM, signal.SIGKILL):  # srun kills its step on the first
            left = [process for process in running if process.poll() is None]
            for process in left:
                process.send_signal(number)
            deadline = time.monotonic() + KILL_SECONDS
            for process in left:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.1, deadline - time.monotonic()))

    def _tell(self, step: Step, now: float) -> None:
        if not step.leave(now):
            return
        node = step.share.node
        more = step.restarts <= MAX_RESTARTS
        then = "it is started again" if more else "the job goes on without it"
        say(f"{node} left: {then}; the end of its log:\n{self._folder.tail(node)}")

    def _launch(self, share: Share) -> subprocess.Popen[bytes]:
        role = wire.HEAD_ROLE if share is self._head else wire.WORKER_ROLE
        python = "python" if self._prefix else sys.executable  # of a container it is its own
        agent = [
            *self._prefix,
            python,
            "-P",
            "-m",
            wire.MODULE,
            wire.AGENT,
            "--role",
            role,
            "--folder",
            str(self._folder.path),
            "--life",
            str(self._folder.life),
            "--node",
            share.node,
            "--cpus",
            str(share.cpus),
            "--gpus",
            str(share.gpus),
            "--memory",
            str(share.memory_bytes),
            "--expected",
            str(len(self._everywhere)),
            "--job",
            self._job,
            *self._options,
        ]
        options, guard = on_node(share, self._everywhere)
        step = [
            "srun",
            "--overlap",
            "--no-kill",
            "--kill-on-bad-exit=0",
            *options,
            "--mem=0",
            "--export=ALL",
            "--input=none",
            "--unbuffered",
            f"--job-name=ray-{share.node}{self._mark}",
            *guard,
        ]
        with os.fdopen(opened(self._folder.log(share.node), APPEND), "ab") as log:
            return subprocess.Popen(
                [*step, *agent],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
                preexec_fn=ends_with_us(signal.SIGTERM),
            )
