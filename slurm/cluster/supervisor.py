"""The batch side of a cluster: one step per node, the command, and what happens when one ends.

It runs in the batch step, on the first node of the allocation. The command starts as soon as the
head is up; further nodes join while it runs. The job's exit code is the command's, but for those
by which it says that it is to be started again (`shoal.slurm.wire`).
"""

from __future__ import annotations

import os
import signal
import time

from shoal.slurm import wire
from shoal.slurm.cluster import limit
from shoal.slurm.cluster.agents import Agents
from shoal.slurm.cluster.command import Command, Orders
from shoal.slurm.cluster.isolation import Isolation
from shoal.slurm.cluster.news import News, say
from shoal.slurm.cluster.signals import Signals
from shoal.slurm.errors import ClusterError, SlurmError
from shoal.slurm.jobfolder import JobFolder
from shoal.slurm.node import as_text, for_ray, temp
from shoal.slurm.queue import MAX_REQUEUES, Allocation, commands, go_on, parse, put_back, try_again

POLL_SECONDS, BEAT_SECONDS = 0.2, 5.0
HEAD_SECONDS = 120.0
"""Timeout of the head's start."""

STOP_SECONDS = 8.0
"""Timeout of the command's end after SIGTERM, where it is not asked to save."""

FALL_SECONDS = 2.0
"""Maximum delay between the command's end and that of the head's step which has caused it."""

SAVE_SECONDS, MARGIN_SECONDS = 90.0, 5.0
"""Timeout of the command's saving; and the time before the job's limit that is reserved for the
requeue request to SLURM."""


class Supervisor:
    """Runs one job's cluster.

    Args:
        node: the name of this node, the batch host.
        job: the id to requeue by.
    """

    def __init__(
        self,
        allocation: Allocation,
        folder: JobFolder,
        orders: Orders,
        signals: Signals,
        *,
        node: str,
        job: str,
    ) -> None:
        self._allocation, self._folder, self._orders = allocation, folder, orders
        self._signals, self._job, self._node = signals, job, node
        self._environment = {
            **for_ray(limit.without(os.environ), folder.token),
            **limit.environment(folder.path, allocation.ends),
        }
        self._limit = limit.Limit(allocation, folder)
        self._news = News(allocation, folder, node)
        self._isolation = Isolation(job, len(allocation.shares))
        self._agents: Agents
        self._command: Command | None = None
        self._beaten = 0.0

    def run(self) -> int:
        """Run the cluster until the command ends; return its exit code.

        Raises:
            ClusterError: the job cannot go on, and is not put back into the queue.
        """
        own_temp = temp.make(self._job)
        shares = self._allocation.shares
        head = next(s for s in shares if s.node == self._node)
        options = [] if self._orders.interface is None else ["--interface", self._orders.interface]
        if self._orders.ports is not None:
            options += ["--ports", as_text(self._orders.ports)]
        self._agents = Agents(
            self._folder,
            self._job,
            self._allocation.job,
            shares=[head, *(s for s in shares if s is not head)],
            everywhere=shares,
            prefix=self._orders.prefix,
            options=options,
            environment=self._environment,
        )
        self._environment["TMPDIR"] = str(own_temp)  # what the command leaves there goes with us
        try:
            lost = self._await_head()
            if lost is None and not self._told:
                self._begin()
                lost = self._watch()
            return self._conclude(lost)
        except ClusterError as error:
            self._folder.note_end(str(error))
            raise
        finally:
            if self._command is not None:
                self._command.end(STOP_SECONDS)
            self._agents.end()
            temp.remove(own_temp)
            self._folder.leave()

    @property
    def _told(self) -> bool:
        """Whether a signal has asked this start of the job to save or to end."""
        saves = self._signals.save_at is not None and bool(self._orders.command)
        return saves or self._signals.stop is not None

    def _await_head(self) -> str | None:
        """Wait until the head is up; return why it is not, or None."""
        deadline = time.monotonic() + HEAD_SECONDS
        while self._folder.read(wire.HEAD) is None and not self._told:
            if self._agents.head.process.poll() is not None or time.monotonic() > deadline:
                return f"Ray's head did not start on {self._node}"
            self._beat()
            time.sleep(POLL_SECONDS)
        return None

    def _begin(self) -> None:
        head = self._folder.read(wire.HEAD)
        if head is None:
            raise ClusterError("the head's address has gone from the job folder")
        self._environment["RAY_ADDRESS"] = str(head[wire.ADDRESS_KEY])
        if not self._orders.command:
            say(f"the cluster is up; use it by: shoal attach {self._job} -- run --trials 4096")
            return
        self._command = Command([*self._orders.prefix, *self._orders.command], self._environment)

    def _watch(self) -> str | None:
        """Watch until the command ends or a signal comes (None), or the head is lost (why)."""
        while not self._told:
            if self._command is not None and self._command.code is not None:
                return self._why_it_failed() if self._command.failed else None
            if self._agents.head.process.poll() is not None:
                return f"Ray's head on {self._node} ended"
            if any(step.ended for step in self._agents.workers) and self._word().preempted:
                return f"Ray ended on other nodes than {self._node}"
            self._agents.look_after()
            self._beat()
            self._limit.look()
            self._news.tell()
            if self._isolation.complete(len(self._news.counted)):
                raise ClusterError(
                    f"{self._node} reaches neither the other nodes nor SLURM: it stops here"
                )
            time.sleep(POLL_SECONDS)
        return None

    def _why_it_failed(self) -> str | None:
        """Whether the command ended because its cluster did, which may show a moment later."""
        deadline = time.monotonic() + FALL_SECONDS
        while self._agents.head.process.poll() is None and self._signals.stop is None:
            if time.monotonic() > deadline:
                return None
            time.sleep(POLL_SECONDS)
        return f"Ray's head on {self._node} ended"

    def _conclude(self, lost: str | None) -> int:
        """End this life; return its exit code.

        Args:
            lost: why there is no cluster any more, or None.
        """
        if lost is not None:
            return self._conclude_lost(lost)
        killed = self._save() if self._told and self._signals.stop is None else False
        self._news.tell_memory()
        if self._signals.stop is not None:  # the user's word, or SLURM's last: not ours to go on
            return self._stopped()
        command = self._command
        if (
            command is None
            or killed
            or command.struck_down
            or command.code == wire.EXIT_NOTHING_GAINED
        ):
            return self._conclude_idle(killed)
        if command.code == wire.EXIT_SAVED:
            word = self._word()
            return self._go_on(self._signals.cause(word.ends, word.preempted), gained=True)
        self._folder.note_end(f"the command ended with exit code {command.code}")
        return command.code if command.code is not None else 1

    def _save(self) -> bool:
        """Have the command save, if it runs; return whether it had to be killed."""
        if self._command is None or self._command.code is not None:
            return False
        self._command.ask(signal.SIGUSR1)
        last = time.time() + SAVE_SECONDS
        last = min(last, (self._word().ends or last) - MARGIN_SECONDS)
        while self._command.code is None and self._signals.stop is None:
            if time.time() > last:
                self._command.kill()
                return True
            self._beat()
            time.sleep(POLL_SECONDS)
        return False

    def _conclude_lost(self, why: str) -> int:
        word = self._word()
        if self._command is not None:  # without its Ray it can do little more
            self._command.end(STOP_SECONDS if word.preempted else 1.0)
        self._news.tell_memory()
        if word.state not in ("RUNNING", "SUSPENDED"):  # SLURM is ending it: the steps came first
            self._await_stop(STOP_SECONDS)
        if self._signals.stop is not None:
            return self._stopped()
        if word.preempted:
            saved = self._command is not None and self._command.code == wire.EXIT_SAVED
            return self._go_on("preempted", gained=saved)
        say(f"the end of {self._folder.log(self._node)}:\n{self._folder.tail(self._node)}")
        max_requeues = 1 if self._command is None and self._orders.command else MAX_REQUEUES
        say(put_back(self._job, self._folder, why, bad_node=self._node, max_requeues=max_requeues))
        return 1

    def _conclude_idle(self, killed: bool) -> int:
        word = self._word()
        if word.preempted:
            return self._go_on("preempted", gained=False)
        cause, given = self._signals.cause(word.ends, False), word.fields.get("TimeLimit", "?")
        how, advice = "nothing was gained before it came", "send it once fits have ended"
        if cause == "time limit":
            how = f"nothing was gained within the limit of {given}"
            advice = "give a longer --time or a shorter --signal"
        if killed:
            how = "the command did not end when it was asked to save"
        if self._signals.save_at is not None and word.ends is not None:
            before = word.ends - self._signals.save_at
            how += f" (the signal came {before:.0f} s before the limit of {given})"
        say(try_again(self._job, self._folder, f"{cause}: {how}", advice))
        return 1

    def _go_on(self, cause: str, *, gained: bool) -> int:
        """Put the job back into the queue, with no limit to how often."""
        why = f"{cause}: {'saved' if gained else 'the nodes go to another job'}"
        try:
            say(go_on(self._job, self._folder, why, gained=gained))
        except ClusterError as error:
            if cause != "preempted":
                raise
            # SLURM may put it back itself when the grace time is over, unless it has ended before
            say(f"{error}; waiting for SLURM to end it")
            self._folder.note_end(why)
            self._await_stop(None)
        return 1

    def _stopped(self) -> int:
        number = self._signals.stop or 0
        self._folder.note_end(f"ended by signal {number}")
        return 128 + number

    def _await_stop(self, seconds: float | None) -> None:
        deadline = None if seconds is None else time.monotonic() + seconds
        while self._signals.stop is None and (deadline is None or time.monotonic() < deadline):
            self._beat()
            time.sleep(POLL_SECONDS)

    def _word(self) -> Allocation:
        """Return what SLURM says of the job now, or its first answer if it does not reply."""
        try:
            return parse(commands.show_job(self._job))
        except SlurmError:
            return self._allocation

    def _beat(self) -> None:
        """Write the heartbeat, every BEAT_SECONDS.

        Raises:
            ClusterError: a later life has begun.
        """
        if time.monotonic() - self._beaten < BEAT_SECONDS:
            return
        self._beaten = time.monotonic()
        if self._folder.superseded():
            raise ClusterError(f"job {self._job} was started again elsewhere: it stops here")
        self._folder.beat()
