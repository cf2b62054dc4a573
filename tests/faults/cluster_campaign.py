"""Strikes searches on a real SLURM of three hosts, and proves each time that nothing came of it.

    python tests/faults/cluster_campaign.py kill-raylet --count 10        # as root

A job is struck at random moments while it runs; when it has ended, its table must be that of an
undisturbed search. Time limits, preemptions and lost batch hosts end a life of a job: it has to go
on by itself.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "cluster"))

import hosts
import three_hosts
from kit import Trial, Witness, undisturbed

ROOT = Path(__file__).parent.parent.parent


def search_of(fault: str) -> tuple[str, ...]:
    """What is searched: half a minute's work of two cores, and where a life has to come to its
    limit, which SLURM counts in minutes, eight times as much."""
    steps = "40000" if fault == "time-limit" else "5000"
    return (
        "cubic-sine",
        "--trials",
        "480",
        "--steps",
        steps,
        "--pack",
        "16",
        "--round",
        "96",
        "--program",
        "eager",
        "--report",
        "2000",
        "--seed",
        "3",
        "--sampler",
        "random",
    )


class Job:
    """A search as a batch job, and what can be done to it."""

    def __init__(
        self,
        cluster: Any,
        trial: Trial,
        chance: random.Random,
        flags: list[str],
        words: tuple[str, ...],
    ) -> None:
        self._cluster, self._chance = cluster, chance
        self.trial = trial
        shutil.copytree(ROOT / "slurm", trial.folder / "slurm", dirs_exist_ok=True)
        self.id = cluster.sbatch(
            *flags,
            "--cpus-per-task=1",
            "--mem=2500",
            "slurm/search.sbatch",
            "run",
            *words,
            "--checkpoint",
            "1s",
            "--quiet",
            "--out",
            "out",
            cwd=trial.folder,
        )

    @property
    def log(self) -> str:
        """What the job has said."""
        with suppress(OSError):
            return (self.trial.folder / f"shoal-{self.id}.err").read_text()
        return ""

    @property
    def running(self) -> bool:
        """Whether it runs, with a Ray and rows that come."""
        return self._cluster.job(self.id)["JobState"] == "RUNNING"

    @property
    def over(self) -> bool:
        """Whether it has ended for good."""
        return self._cluster.job(self.id)["JobState"] in hosts.OVER

    @property
    def lives(self) -> int:
        """How often it was started."""
        return int(self._cluster.job(self.id)["Restarts"]) + 1

    def await_work(self) -> bool:
        """Wait until workers fit in this life; return False where it has ended."""
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            if self.over:
                return False
            if self.running and self._processes(self._cluster.nodes(self.id), "ray::", "train"):
                return True
            time.sleep(0.2)
        raise AssertionError(f"job {self.id} does not get to work\n{self.log}")

    def _processes(self, nodes: list[str], *having: str) -> list[tuple[str, int]]:
        return [
            (node, pid)
            for node in nodes
            for pid, line in self._cluster.processes(node, having[0]).items()
            if all(word in line for word in having)
        ]

    def _kill(self, nodes: list[str], *having: str) -> bool:
        there = self._processes(nodes, *having)
        if not there:
            return False
        with suppress(ProcessLookupError):
            os.kill(self._chance.choice(there)[1], signal.SIGKILL)
        return True

    def kill_worker(self) -> bool:
        """A worker on any node."""
        return self._kill(self._cluster.nodes(self.id), "ray::", "train")

    def kill_raylet(self) -> bool:
        """The raylet of any node but the head's."""
        return self._kill(self._cluster.nodes(self.id)[1:], "raylet/raylet")

    def cut_link(self) -> bool:
        """The cable of any node but the batch host's, for some seconds."""
        host = self._chance.choice(self._cluster.nodes(self.id)[1:])
        self._cluster.link(host, "down")
        time.sleep(self._chance.uniform(1, 25))
        self._cluster.link(host, "up")
        return True

    def kill_slurmd(self) -> bool:
        """SLURM's daemon on any node; it is back some seconds later."""
        there = self._cluster.daemon(self._chance.choice(self._cluster.nodes(self.id)))
        for pid in there:
            os.kill(pid, signal.SIGKILL)
        return bool(there)

    def end_life(self) -> bool:
        """Wait for a life to end by its time limit."""
        before = self.lives
        while not self.over and self.lives == before:
            time.sleep(0.5)
        return self.lives > before

    def preempt(self) -> bool:
        """By a job of a partition that comes first."""
        before = self.lives
        urgent = self._cluster.sbatch(
            "--partition=high",
            "--nodes=3",
            "--exclusive",
            "--output=/dev/null",
            "--wrap=true",
            cwd=self.trial.folder,
        )
        self._cluster.wait(urgent)
        deadline = time.monotonic() + 240
        while not self.over and self.lives == before and time.monotonic() < deadline:
            time.sleep(0.5)
        return self.lives > before

    def lose_batch_host(self) -> bool:
        """A power cut on the first node; it comes back when the job runs elsewhere."""
        before, host = self.lives, self._cluster.nodes(self.id)[0]
        self._cluster.power_off(host)
        try:
            began = time.monotonic()
            while self.lives == before:
                assert time.monotonic() - began < 180, f"nobody has put it back\n{self.log}"
                time.sleep(0.5)
            print(f"    put back {time.monotonic() - began:.0f} s after the power cut", flush=True)
            self._cluster.wait(self.id, "RUNNING")
        finally:
            self._cluster.power_on(host)
        return True


FAULTS: dict[str, tuple[Callable[[Job], bool], list[str], float]] = {
    "kill-worker": (Job.kill_worker, ["--nodes=3"], 4.0),
    "kill-raylet": (Job.kill_raylet, ["--nodes=3"], 10.0),
    "cut-link": (Job.cut_link, ["--nodes=3"], 15.0),
    "kill-slurmd": (Job.kill_slurmd, ["--nodes=3"], 8.0),
    "time-limit": (Job.end_life, ["--nodes=2", "--time=2", "--signal=B:USR1@30"], 0.0),
    "preempt": (Job.preempt, ["--nodes=2", "--partition=low"], 8.0),
    "lose-batch-host": (Job.lose_batch_host, ["--nodes=2"], 8.0),
}
"""Each with sbatch's options, and the longest wait before it strikes."""


def harass(cluster: Any, folder: Path, name: str, seed: str, most: int, whole: Path) -> int:
    """Strike one job until it ends, or `most` times; return how often it was struck."""
    strike, flags, longest = FAULTS[name]
    chance = random.Random(seed)
    folder.mkdir()
    trial = Trial(folder)
    struck = 0
    with Witness(trial.out) as witness:
        job = Job(cluster, trial, chance, flags, search_of(name))
        while struck < most and job.await_work():
            time.sleep(chance.uniform(0, longest))
            if not job.over and strike(job):
                struck += 1
        fields = cluster.wait(job.id, timeout=600)
    assert fields["JobState"] == "COMPLETED", job.log
    try:
        trial.check(whole, witness)
    except AssertionError:
        print(job.log, flush=True)
        raise
    print(f"job {job.id}: {struck} {name}, {job.lives} lives: the same table", flush=True)
    return struck


def main() -> int:
    """Run a campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fault", choices=FAULTS)
    parser.add_argument("--count", type=int, default=3, help="strikes")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    reason = three_hosts.missing()
    if reason is not None:
        print(f"cluster_campaign: {reason}", file=sys.stderr)
        return 2
    keeper, facts = three_hosts.start()
    try:
        cluster = hosts.Cluster(facts)
        (cluster.shared / "whole").mkdir()
        whole, seconds, _ = undisturbed(cluster.shared / "whole", search_of(asked.fault))
        print(f"undisturbed, on this machine: {seconds:.1f} s", flush=True)
        struck = jobs = 0
        began = time.monotonic()
        while struck < asked.count:
            folder = cluster.shared / f"job{jobs}"
            seed = f"{asked.seed}:{jobs}"
            struck += harass(cluster, folder, asked.fault, seed, asked.count - struck, whole)
            jobs += 1
        minutes = (time.monotonic() - began) / 60
        print(f"{jobs} jobs, {struck} {asked.fault}; all with the same table ({minutes:.1f} min)")
    finally:
        keeper.stdin.close()
        keeper.wait(240)
    return 0


if __name__ == "__main__":
    sys.exit(main())
