"""A job of several lives: time limits, preemption, and memory that ends a worker."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SHOAL = (sys.executable, "-P", "-m", "shoal")
STAND_IN = """
import os, signal, sys, time
life = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
task = int(os.environ.get("SLURM_ARRAY_TASK_ID", "1")) - 1
words = " ".join(sys.argv[3:]).split(" / ")[task].split()
word = words[min(life, len(words) - 1)]
def asked(number, frame):
    print(f"life {life} is asked by {signal.Signals(number).name}", flush=True)
    sys.exit(76 if word == "nothing" else 75)
for number in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, asked)
print(f"life {life} has until {os.environ.get('SHOAL_END')}", flush=True)
if word == "deaf":
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
if word.isdigit():
    sys.exit(int(word))
while not os.path.exists(word):
    time.sleep(0.05)
"""
"""Stands in for a search, behind --out FOLDER: each life has a word, which says how it ends: with a
number, when a file is there, when it is asked, or never; of an array each task has
words of its own."""

BATCH = """#!/bin/bash
#SBATCH --cpus-per-task=1
#SBATCH --mem=1500
#SBATCH --requeue
#SBATCH --no-kill
#SBATCH --open-mode=append
#SBATCH --error=shoal-%A_%a.err
#SBATCH --output=shoal-%A_%a.out
exec python -P -m shoal.slurm supervise -- python stand.py --out "$@"
"""
ALONE = "_4294967294"  # SLURM's task of a job that is no array


@pytest.fixture
def place(home: Path) -> Path:
    """A folder to submit from, with a command that stands in for a search."""
    (home / "stand.py").write_text(STAND_IN)
    (home / "stand.sbatch").write_text(BATCH)
    return home


def test_a_time_limit_ends_a_life_and_not_the_job(cluster: Any, place: Path) -> None:
    """Told by SIGUSR1, or by SHOAL_END, the command saves, and the job goes on; of an array this
    task alone. Without a requeue, or after two lives without gain, it ends and says what to do."""

    def began(task: str) -> None:
        said = place / f"shoal-{task}.out"
        cluster.eventually(lambda: said.exists() and "has until" in said.read_text())

    # SLURM's least limit is a minute, and it sends the signal up to half a minute early
    limit, script = ("--time=1", "--signal=B:USR1@10"), "stand.sbatch"
    array = cluster.sbatch(
        *limit, "--array=1-2", script, "runs/a", "asked", "75", "0", "/", "done", cwd=place
    )
    first = cluster.wait(f"{array}_1", "RUNNING")
    cluster.run("scontrol", "update", f"JobId={array}_2", "TimeLimit=9", check=True)

    # one after the other: five that start at once on two cores are asked before they have begun
    began(f"{array}_1")
    began(f"{array}_2")
    deaf = cluster.sbatch(*limit, script, "runs/deaf", "deaf", "0", cwd=place)
    began(f"{deaf}{ALONE}")
    once = cluster.sbatch("--time=9", "--no-requeue", script, "runs/once", "75", cwd=place)
    idle = cluster.sbatch(
        "--time=1", "--signal=B:USR1@300", script, "runs/idle", "nothing", cwd=place
    )
    fields = cluster.wait(once)
    errors = (place / f"shoal-{once}{ALONE}.err").read_text()
    assert (fields["JobState"], fields["ExitCode"]) == ("FAILED", "1:0"), errors
    assert "time limit: saved; SLURM does not requeue it" in errors
    assert errors.endswith("submit it again with the same --out and it goes on\n")

    cluster.eventually(lambda: cluster.job(f"{array}_1")["Restarts"] == "2")
    assert cluster.job(f"{array}_2")["Restarts"] == "0"
    (place / "done").touch()
    for task, lives in ((1, "2"), (2, "0")):
        fields = cluster.wait(f"{array}_{task}")
        errors = (place / f"shoal-{array}_{task}.err").read_text()
        assert (fields["JobState"], fields["Restarts"]) == ("COMPLETED", lives), errors
        assert errors.count("time limit: saved; job") == int(lives)
    said = (place / f"shoal-{array}_1.out").read_text()
    ends = [int(end) for end in re.findall(r"has until (\d+)", said)]
    begun = time.mktime(time.strptime(first["StartTime"], "%Y-%m-%dT%H:%M:%S"))
    assert ends[0] == begun + 60
    assert len(ends) == 3
    assert said.count("is asked by SIGUSR1") == 1

    fields = cluster.wait(idle)
    errors = (place / f"shoal-{idle}{ALONE}.err").read_text()
    assert (fields["JobState"], fields["Restarts"]) == ("FAILED", "1"), errors
    assert re.search(r"signal came \d+ s before the limit of 00:01:00\), and so 2 times", errors)
    assert "give a longer --time or a shorter --signal" in errors
    told = cluster.run(*SHOAL, "status", "runs/idle", cwd=place).stdout
    assert re.search(r"lives   2 \(last: time limit: nothing was gained .*, 20\d\d-", told), told

    fields = cluster.wait(deaf)
    errors = (place / f"shoal-{deaf}{ALONE}.err").read_text()
    assert (fields["JobState"], fields["Restarts"]) == ("COMPLETED", "1"), errors
    assert "time limit: the command did not end when it was asked to save" in errors


@pytest.fixture
def user_signal(cluster: Any) -> Iterator[None]:
    """SLURM sends a job's own signal where it is preempted, as some sites have it."""
    conf = Path(cluster.conf)
    plain = conf.read_text()
    conf.write_text(f"{plain}SlurmctldParameters=preempt_send_user_signal\n")
    cluster.run("scontrol", "reconfigure", check=True)
    yield
    conf.write_text(plain)
    cluster.run("scontrol", "reconfigure", check=True)


SEARCH = (
    "run",
    "--trials",
    "128",
    "--steps",
    "12000",
    "--program",
    "eager",
    "--pack",
    "16",
    "--round",
    "64",
    "--sampler",
    "random",
    "--checkpoint",
    "1s",
    "--quiet",
    "--out",
)


@pytest.mark.long
def test_a_search_goes_on_after_a_time_limit_and_a_preemption(
    cluster: Any,
    home: Path,
    shell: Callable[..., Any],
    tmp_path: Path,
    same_table: Callable[[Path, Path], None],
) -> None:
    """Told by the limit's signal it saves what is in flight, and the job goes back into the queue.
    When SLURM takes its nodes it ends the steps alone and tells the batch script nothing: that the
    search then fails without its Ray is not held against it. The third life ends with the table of
    one machine, each trial once."""
    job = cluster.sbatch(
        "--partition=low",
        "--nodes=2",
        "--cpus-per-task=1",
        "--mem=2500",
        "slurm/search.sbatch",
        *SEARCH,
        "runs/x",
        cwd=home,
    )
    errors, folder = home / f"shoal-{job}.err", home / "runs/x"
    cluster.eventually(lambda: list((folder / "packs").glob("*.pt")) != [])
    cluster.run("scancel", "--batch", "--signal=USR1", job, check=True)
    cluster.eventually(lambda: cluster.job(job)["Restarts"] == "1")
    assert re.search(r"told to save, fits of \d workers? saved", errors.read_text())
    assert "SIGUSR1: saved; job" in errors.read_text()
    cluster.wait(job, "RUNNING")
    cluster.eventually(lambda: errors.read_text().count("2 of 2 nodes up") == 2)
    urgent = take_all_nodes(cluster, home)
    cluster.eventually(lambda: cluster.job(job)["Restarts"] == "2")
    assert cluster.wait(urgent)["JobState"] == "COMPLETED"
    fields = cluster.wait(job)
    said = errors.read_text()
    assert (fields["JobState"], fields["Restarts"]) == ("COMPLETED", "2"), said
    assert said.count("shoal: preempted: ") == 1
    told = cluster.run(*SHOAL, "status", "runs/x", cwd=home, check=True).stdout
    assert "lives   3 (last: the command ended with exit code 0, 20" in told
    alone = shell(*SEARCH, "alone", "--engine", "inline")
    assert alone.returncode == 0, alone.stderr
    same_table(tmp_path / "alone", folder)


@pytest.mark.long
def test_a_preempted_job_saves_where_the_site_sends_its_signal(
    cluster: Any, place: Path, user_signal: None
) -> None:
    """Told by SIGUSR1 within the grace time, while its steps still run. A job that may not be put
    back waits for SLURM's last word."""
    warned = ("--partition=low", "--signal=B:USR1@60", "--time=9")
    job = cluster.sbatch(*warned, "--nodes=2", "stand.sbatch", "runs/x", "asked", "0", cwd=place)
    only = cluster.sbatch(*warned, "--no-requeue", "stand.sbatch", "runs/only", "asked", cwd=place)
    output, errors = (place / f"shoal-{job}{ALONE}.{kind}" for kind in ("out", "err"))
    cluster.eventually(lambda: "life 0 has until" in output.read_text())
    cluster.eventually(lambda: "2 of 2 nodes up" in errors.read_text())
    cluster.eventually(
        lambda: "life 0 has until" in (place / f"shoal-{only}{ALONE}.out").read_text()
    )
    cluster.run("scancel", "--signal=USR1", job, check=True)  # to the steps: Ray takes no notice
    time.sleep(1)
    urgent = take_all_nodes(cluster, place)
    cluster.eventually(lambda: cluster.job(job)["Restarts"] == "1")
    assert cluster.wait(urgent)["JobState"] == "COMPLETED"
    fields, said = cluster.wait(job), errors.read_text()
    assert (fields["JobState"], fields["Restarts"]) == ("COMPLETED", "1"), said
    assert said.count("preempted: saved; job") == 1
    assert "the end of" not in said
    assert cluster.job(only)["JobState"] == "PREEMPTED"
    told = (place / f"shoal-{only}{ALONE}.err").read_text()
    assert "preempted: saved; SLURM does not requeue it" in told
    assert "waiting for SLURM to end it" in told


def take_all_nodes(cluster: Any, place: Path) -> str:
    """Submit a job that preempts those of partition low; return its id."""
    job: str = cluster.sbatch(
        "--partition=high",
        "--nodes=3",
        "--exclusive",
        "--output=/dev/null",
        "--wrap=true",
        cwd=place,
    )
    return job


HUNGRY = """
import os, socket, time
import ray
ray.init(address=os.environ["RAY_ADDRESS"], log_to_driver=False)
while len(ray.nodes()) < 2:
    time.sleep(0.2)
(other,) = (n for n in ray.nodes() if n["NodeManagerHostname"] != socket.gethostname())
on_it = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(other["NodeID"], soft=False)
eat = ray.remote(num_cpus=1, max_retries=0)(lambda: len(bytes(b"x") * (4 << 30)))
try:
    ray.get(eat.options(scheduling_strategy=on_it).remote())
except ray.exceptions.WorkerCrashedError:
    print(f"a worker died on {other['NodeManagerHostname']}", flush=True)
time.sleep(8)
"""


def test_a_worker_killed_for_its_memory_is_told(cluster: Any, place: Path) -> None:
    """By the job and in the node's log, with the limit; to Ray it is a worker that died."""
    if "cgroup" not in Path(cluster.conf).read_text():
        pytest.skip("SLURM limits no memory here: there are no cgroups of version 1")
    (place / "stand.py").write_text(HUNGRY)
    job = cluster.sbatch("--nodes=2", "stand.sbatch", "runs/x", cwd=place)
    fields = cluster.wait(job)
    output, errors = ((place / f"shoal-{job}{ALONE}.{kind}").read_text() for kind in ("out", "err"))
    died = re.search(r"a worker died on (\w+)", output)
    assert died is not None, output + errors
    host = died[1]
    line = f"{host}: the job's memory limit (1500 MiB) killed a process; ask for more with --mem\n"
    assert errors.count(line) == 1
    assert line in (place / f"runs/x/slurm/{job}/node-{host}.log").read_text()
    assert fields["JobState"] == "COMPLETED"
