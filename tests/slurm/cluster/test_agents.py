"""What is left on a node of processes that are killed, and whose steps end with a cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shoal.slurm.cluster.agents import FRESH_SECONDS, MAX_RESTARTS, SELDOM_SECONDS, Agents, Step
from shoal.slurm.jobfolder import JobFolder
from shoal.slurm.node import temp
from shoal.slurm.queue.allocation import Share

Stand = Callable[..., Path]
Eventually = Callable[..., None]
SHARES = [Share(node=f"n{number}", cpus=1, gpus=0, memory_bytes=0) for number in (1, 2)]


def runs(pid: int) -> bool:
    """Whether a process lives."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


SRUN = """
for word; do case "$word" in --job-name=*) name="${word#--job-name=}";; esac; done
mkdir -p "$STEPS"
echo "$name" > "$STEPS/$$"
exec sleep 600
"""
SQUEUE = """
echo "7.0 interactive"
echo "7.1 ray-n1-of-another"
for step in "$STEPS"/*; do echo "7.$(basename "$step") $(cat "$step")"; done
"""
SCANCEL = """
for step; do case "$step" in 7.*) kill "${step#7.}" || exit 1;; esac; done
"""


def test_the_end_of_a_cluster_ends_its_own_steps_alone(
    tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """Not the shell that somebody holds in the allocation, nor another search's steps there; each
    is asked by its id, with one question and one order for all."""
    monkeypatch.setenv("STEPS", str(tmp_path / "steps"))
    stand_in("srun", SRUN)
    squeue, scancel = stand_in("squeue", SQUEUE), stand_in("scancel", SCANCEL)
    agents = Agents(
        JobFolder.make(tmp_path / "7", 0),
        "7",
        "7",
        shares=SHARES,
        everywhere=SHARES,
        prefix=(),
        options=[],
        environment=dict(os.environ),
    )
    processes = [step.process for step in (agents.head, *agents.workers)]
    eventually(lambda: all((tmp_path / "steps" / str(p.pid)).exists() for p in processes))
    agents.end()
    assert [process.poll() for process in processes] == [-signal.SIGTERM] * 2
    assert squeue.read_text() == "--noheader --steps --jobs=7 --format=%i %j\n"
    (told,) = scancel.read_text().splitlines()
    assert sorted(told.split()) == sorted(["--signal=TERM", *(f"7.{p.pid}" for p in processes)])


def test_a_node_that_was_up_for_long_has_a_fresh_count_of_restarts() -> None:
    """As when it reboots; one that does not come up is tried seldom, and told of no more."""
    nothing = subprocess.Popen(["true"])
    nothing.wait()
    step = Step(SHARES[0], nothing)
    told, at = [], 1.0
    for _ in range(MAX_RESTARTS + 4):
        told.append(step.leave(step.began + at))
        step.again = None if step.restarts <= MAX_RESTARTS else step.again
    assert told == [True] * (MAX_RESTARTS + 1) + [False] * 3
    assert step.again == step.began + at + SELDOM_SECONDS
    assert step.leave(step.began + FRESH_SECONDS + 1)
    assert step.restarts == 1
    step.begin(nothing)
    assert step.ended


HOLD = """
import os, subprocess, sys
from shoal.slurm import wire
from shoal.slurm.node import temp
from shoal.slurm.node.processes import ends_with_us
import signal
folder = temp.make("7")
os.environ[wire.NODE_TEMP_VARIABLE] = str(folder)
if sys.argv[1] == "kept":
    temp.keep(folder)
orphan = subprocess.Popen(["setsid", "sh", "-c", "sleep 600 & echo $!"], stdout=subprocess.PIPE)
child = subprocess.Popen(["sleep", "600"], preexec_fn=ends_with_us(signal.SIGKILL))
print(folder, child.pid, orphan.stdout.readline().decode(), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["kept", "alone"])
def test_a_killed_agent_leaves_neither_processes_nor_a_folder(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """Without cgroups: what it started ends with it, its keeper ends what that had started in a
    session of its own, and removes the folder; where the keeper was killed too, the next agent on
    the node does that. While it lives, the folder stays, also where its process id is none here, as
    one of a container."""
    short = Path(f"/tmp/shoal-test-{os.getpid()}")
    short.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(short))
    try:
        agent = subprocess.Popen(
            [sys.executable, "-c", HOLD, how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(short)},
        )
        assert agent.stdout is not None
        first, child, orphan = agent.stdout.readline().split()
        folder = Path(first)
        foreign = folder.rename(folder.with_name(f"shoaljob-7-{1 << 22}-x"))
        os.utime(foreign, (0, 0))
        temp.remove_left_over()
        assert foreign.exists()
        assert runs(int(orphan))
        foreign.rename(folder)
        agent.kill()
        agent.communicate()
        eventually(lambda: not runs(int(child)))
        if how == "alone":
            assert runs(int(orphan))
            temp.remove_left_over()
        eventually(lambda: not runs(int(orphan)))
        eventually(lambda: not folder.exists())
    finally:
        for path in short.iterdir():
            path.rename(tmp_path / path.name)
        short.rmdir()


def test_only_folders_that_nobody_uses_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One's own is held; a new one without a lock may be about to get it; a link is none,
    nor is a lock that is one."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(temp, "MAX_TEMP_BYTES", 1000)
    own = temp.make("7")
    bare, old, target = (tmp_path / name for name in ("shoaljob-7-4194304-a", "x", "target"))
    old = old.with_name("shoaljob-7-4194304-b")
    for folder in (bare, old, target):
        folder.mkdir()
    os.utime(old, (0, 0))
    link = tmp_path / "shoaljob-7-4194304-c"
    link.symlink_to(target)
    odd = tmp_path / "shoaljob-7-4194304-d"
    odd.mkdir()
    (tmp_path / "theirs").touch()
    (odd / temp.LOCK).symlink_to(tmp_path / "theirs")
    temp.remove_left_over()
    assert [path.exists() for path in (own, bare, old, link, target, odd)] == [
        True,
        True,
        False,
        True,
        True,
        True,
    ]
    temp.remove(own)
    assert not own.exists()
