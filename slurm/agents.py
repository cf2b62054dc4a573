"""The agents of a job's nodes, seen from the batch side: one step each, started again if it ends.

One step over all nodes would be lost with any of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from slurm import commands
from slurm.allocation import Share
from slurm.errors import SlurmError
from slurm.files import APPEND, opened
from slurm.jobfolder import JobFolder
from slurm.news import say
from slurm.steps import on_node
from slurm.variables import for_step

MOST_RESTARTS = 2
"""How often the agent of a worker node is started again."""

RESTART_SECONDS = 5.0
STOP_SECONDS = 8.0
"""How long the steps get to end after they were asked to."""


class Step:
    """The agent of one node: an srun of its own."""

    def __init__(self, share: Share, process: subprocess.Popen[bytes]) -> None:
        self.share, self.process = share, process
        self.restarts = 0
        self.again: float | None = None

    @property
    def ended(self) -> bool:
        """Whether it has ended and nothing is done about it yet."""
        over = self.again is None and self.process.poll() is not None
        return over and self.restarts <= MOST_RESTARTS


class Agents:
    """Starts an agent on every node.

    Args:
        shares: the head's node first.
        everywhere: the job's shares in SLURM's order.
        prefix: what to put before each agent.
        options: of the agent, the same on every node.
    """

    def __init__(
        self, folder: JobFolder, job: str, *, shares: Sequence[Share],
        everywhere: Sequence[Share], prefix: Sequence[str], options: Sequence[str],
        environment: Mapping[str, str],
    ) -> None:  # fmt: skip
        self._folder, self._job = folder, job
        self._everywhere, self._prefix, self._options = everywhere, prefix, options
        self._environment = for_step(environment)
        self._head = shares[0]
        steps = [Step(share, self._launch(share)) for share in shares]
        self.head, self.workers = steps[0], steps[1:]

    def look_after(self) -> None:
        """Tell of each worker's agent that ended, and start it again some seconds later."""
        now = time.monotonic()
        for step in self.workers:
            if step.again is not None and now >= step.again:
                step.again = None
                step.process = self._launch(step.share)
            elif step.ended:
                self._tell(step, now)

    def end(self) -> None:
        """End all of them, within STOP_SECONDS."""
        running = [s.process for s in (self.head, *self.workers) if s.process.poll() is None]
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

    def _tell(self, step: Step, now: float) -> None:
        step.restarts += 1
        node = step.share.node
        more = step.restarts <= MOST_RESTARTS
        then = "it is started again" if more else "the job goes on without it"
        say(f"{node} left: {then}; the end of its log:\n{self._folder.tail(node)}")
        if more:
            step.again = now + RESTART_SECONDS * step.restarts

    def _launch(self, share: Share) -> subprocess.Popen[bytes]:
        role = "head" if share is self._head else "worker"
        python = "python" if self._prefix else sys.executable  # of a container it is its own
        agent = [
            *self._prefix, python, "-P", "-m", "slurm", "agent", "--role", role,
            "--folder", str(self._folder.path), "--life", str(self._folder.life),
            "--node", share.node, "--cpus", str(share.cpus), "--gpus", str(share.gpus),
            "--memory", str(share.memory), "--expected", str(len(self._everywhere)),
            "--job", self._job, *self._options,
        ]  # fmt: skip
        options, guard = on_node(share, self._everywhere)
        step = [
            "srun", "--overlap", "--no-kill", "--kill-on-bad-exit=0", *options, "--mem=0",
            "--export=ALL", "--input=none", "--unbuffered", f"--job-name=ray-{share.node}", *guard,
        ]  # fmt: skip
        with os.fdopen(opened(self._folder.log(share.node), APPEND), "ab") as log:
            return subprocess.Popen(
                [*step, *agent], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self._environment, start_new_session=True,
            )  # fmt: skip
