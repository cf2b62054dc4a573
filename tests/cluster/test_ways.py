"""Ways of asking, users side by side, and hosts that are not as one would wish."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pandas
import pytest

SCRIPT = "slurm/search.sbatch"
SMALL = ("run", "--trials", "64", "--steps", "50", "--pack", "8", "--quiet")
COUNT = """
import json, os, sys, time
file = f"{os.environ['SHOAL_OUT']}/slurm/{os.environ['SLURM_JOB_ID']}/cluster.json"
deadline = time.monotonic() + 240
while time.monotonic() < deadline:
    try:
        nodes = json.load(open(file))["nodes"]
    except (OSError, ValueError):
        nodes = {}
    if len(nodes) == int(sys.argv[1]):
        print(json.dumps(list(nodes.values())))
        sys.exit()
    time.sleep(0.2)
sys.exit("not all nodes came")
"""
WAYS = {
    "--gres": (("--nodes=2", "--gres=gpu:1", "--cpus-per-task=2"), [(2, 1), (2, 1)]),
    "--gpus-per-node": (
        ("--nodes=2", "--gpus-per-node=2", "--mem-per-gpu=750", "--cpus-per-task=1"),
        [(1, 2), (1, 2)],
    ),
    "--gpus": (("--nodes=1", "--gpus=2", "--cpus-per-task=3"), [(3, 2)]),
    "--gpus, uneven": (("--nodes=2", "--gpus=3"), [(1, 1), (1, 2)]),
    "--gpus-per-task": (
        ("--nodes=1", "--ntasks=2", "--gpus-per-task=1", "--cpus-per-task=2"),
        [(4, 2)],
    ),
    "--gres=shard": (("--nodes=2", "--gres=shard:2", "--cpus-per-task=1"), [(1, 1), (1, 1)]),
    "--ntasks, uneven": (("--nodes=2", "--ntasks=5", "--mem=1500"), None),
}


@pytest.mark.long
def test_each_way_of_asking_gives_ray_what_slurm_gave(cluster: Any, home: Path) -> None:
    """CPUs, GPUs and memory of each node, as Ray counts them, its object store within the memory;
    the jobs of one user run side by side."""
    (home / "count.py").write_text(COUNT)
    (home / "count.sbatch").write_text(
        '#!/bin/bash\nexec python -P -m shoal.slurm supervise -- python count.py "$@"\n'
    )
    jobs = {}
    for name, (flags, _) in WAYS.items():
        nodes = flags[0].partition("=")[2]
        memory = () if any("--mem" in flag for flag in flags) else ("--mem=1500",)
        jobs[name] = cluster.sbatch(
            *flags,
            *memory,
            "--output=%j.out",
            "--error=shoal-%j.err",
            "count.sbatch",
            nodes,
            cwd=home,
        )
    for name, job in jobs.items():
        fields = cluster.wait(job)
        assert fields["JobState"] == "COMPLETED", name
        found = json.loads((home / f"{job}.out").read_text())
        counted = sorted((n["cpu"], n["gpu"]) for n in found)
        for node in found:
            assert node["memory"] + node["object_store_memory"] == 1500 << 20, name
        expected = WAYS[name][1]
        if expected is not None:
            assert counted == expected, name
        else:  # SLURM chooses how to split them
            assert sum(cpus for cpus, _ in counted) == 5
            assert len(counted) == 2
            assert counted[0] != counted[1]


@pytest.mark.long
def test_two_users_and_two_searches_of_one_do_not_touch_each_other(
    cluster: Any, home: Path
) -> None:
    """On the same nodes at the same time; each ends right."""
    jobs = {}
    for user in (4001, 4002):
        own = home / str(user)
        shutil.copytree(home / "slurm", own / "slurm")
        for path in (own, *own.rglob("*")):
            os.chown(path, user, user)
        for number in (1, 2)[: 4003 - user]:
            job = cluster.sbatch(
                "--nodes=2",
                "--nodelist=n1,n2",
                "--cpus-per-task=1",
                "--mem=1900",
                SCRIPT,
                *SMALL,
                "--seed",
                number,
                "--out",
                f"runs/{number}",
                cwd=own,
                user=user,
                HOME=str(own),
                USER="alice" if user == 4001 else "bob",
            )
            jobs[job] = own / f"runs/{number}"
    assert len(jobs) == 3
    starts = []
    for job, out in jobs.items():
        fields = cluster.wait(job)
        error = (out.parent.parent / f"shoal-{job}.err").read_text()
        assert fields["JobState"] == "COMPLETED", error
        assert len(pandas.read_parquet(out / "trials.parquet")) == 64
        starts.append((fields["StartTime"], fields["EndTime"]))
    assert max(begin for begin, _ in starts) < min(end for _, end in starts)  # at once


HOSTILE = """
test -z "${VIRTUAL_ENV-}"
source "$SLURM_SUBMIT_DIR/.venv/bin/activate"
export TMPDIR=/tmp/$(printf 't%.0s' {1..120})
mkdir -p "$TMPDIR"
export http_proxy=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 RAY_AUTH_TOKEN=wrong
python -c "
import socket, time
held = []
for port in (6379, 8265, 10001, 52365):
    one = socket.socket()
    one.bind(('0.0.0.0', port))
    one.listen()
    held.append(one)
print('held', len(held), flush=True)
time.sleep(600)
" &
sleep 1
own=$(python -c 'import socket; print(socket.gethostbyname(socket.gethostname()))')
echo "TMPDIR has ${#TMPDIR}, name resolves to $own"
SHOAL_PREFIX="$SLURM_SUBMIT_DIR/image.sh exec"
"""
IMAGE = """#!/bin/bash
# stands in for "apptainer exec IMAGE": the node that never comes, and a head that comes late
shift
case "$*" in
    *"--role head"*) sleep 6 ;;
    *"--node $LATE"*) sleep 600 ;;
esac
exec "$@"
"""


@pytest.mark.long
def test_a_hostile_place(cluster: Any, home: Path) -> None:
    """--export=NONE, a TMPDIR of over 120 characters, proxies, a name that resolves to 127.0.1.1,
    Ray's usual ports taken, a foreign token, a prefix, workers before the head, a node that never
    comes: the search runs on the two nodes that are left."""
    (home / ".venv").symlink_to(sys.prefix)
    (home / "hostile.sh").write_text(HOSTILE)
    image = home / "image.sh"
    image.write_text(IMAGE.replace("$LATE", "n3"))
    image.chmod(0o755)
    job = cluster.sbatch(
        "--export=NONE",
        "--nodes=3",
        "--cpus-per-task=1",
        "--mem=2500",
        SCRIPT,
        "--site",
        "./hostile.sh",
        *SMALL,
        "--out",
        "runs/x",
        cwd=home,
    )
    fields = cluster.wait(job)
    output = (home / f"shoal-{job}.out").read_text()
    errors = (home / f"shoal-{job}.err").read_text()
    assert fields["JobState"] == "COMPLETED", errors
    assert "held 4" in output
    assert "TMPDIR has 125, name resolves to 127.0.1.1" in output
    assert "cluster of 2 of 3 nodes up" in errors
    assert len(pandas.read_parquet(home / "runs/x/trials.parquet")) == 64
    logs = home / f"runs/x/slurm/{job}"
    late, head = (logs / "node-n2.log").read_text(), (logs / "node-n1.log").read_text()
    assert late.index("waiting for the head") < late.index("Ray runtime started")
    assert "/tmp/shoaljob-" in head
    assert "10.211.0.11" in head
    assert "wrong" not in head + late
    for host in cluster.pids:
        cluster.run("sh", "-c", "rm -rf /tmp/ttttt*", host=host)


WITHOUT_A_COMPILER = """#!/bin/bash
# of two nodes one has neither a compiler nor what was compiled
if [ "$(uname -n)" = n2 ]; then export CXX=no-such-c++ SHOAL_CACHE=/tmp/empty; fi
exec "$@"
"""


@pytest.mark.long
def test_nodes_with_and_without_a_compiler_do_not_mix_programs(cluster: Any, home: Path) -> None:
    """What the first node has settled runs where it can be had, and no row is of another program;
    meanwhile Ray keeps to the site's range of ports."""
    node = home / "node.sh"
    node.write_text(WITHOUT_A_COMPILER)
    node.chmod(0o755)
    (home / "mine.sh").write_text(
        'SHOAL_PREFIX="$SLURM_SUBMIT_DIR/node.sh"\nSHOAL_PORTS=23000-23099\n'
    )
    job = cluster.sbatch(
        "--nodes=2",
        "--nodelist=n1,n2",
        "--cpus-per-task=2",
        "--mem=2500",
        SCRIPT,
        "--site",
        "./mine.sh",
        *SMALL,
        "--program",
        "compiled",
        "--out",
        "runs/x",
        cwd=home,
        SHOAL_CACHE=str(home / "cache"),
    )
    fields = cluster.wait(job)
    errors = (home / f"shoal-{job}.err").read_text()
    assert fields["JobState"] == "COMPLETED", errors
    assert "cluster of 2 of 2 nodes up, 4 CPUs" in errors
    trials = pandas.read_parquet(home / "runs/x/trials.parquet")
    assert len(trials) == 64
    assert set(trials["node"]) == {"n1"}
    assert set(trials["state"]) <= {"complete", "diverged"}
    head = json.loads((home / f"runs/x/slurm/{job}/head.json").read_text())
    assert 23000 <= int(head["address"].rpartition(":")[2]) < 23100


@pytest.mark.long
def test_where_requeue_is_off_the_job_ends_with_the_reason(cluster: Any, home: Path) -> None:
    """The head is killed: FAILED within a minute, and the log says how to go on."""
    job = cluster.sbatch(
        "--no-requeue",
        "--cpus-per-task=1",
        "--mem=2500",
        SCRIPT,
        "run",
        "--trials",
        "100000",
        "--program",
        "eager",
        "--sampler",
        "random",
        "--quiet",
        "--out",
        "runs/x",
        cwd=home,
    )
    errors = home / f"shoal-{job}.err"
    deadline = time.monotonic() + 240
    while not errors.exists() or "nodes up" not in errors.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    (host,) = cluster.nodes(job)
    (gcs,) = cluster.processes(host, "gcs_server --")
    os.kill(gcs, signal.SIGKILL)
    fields = cluster.wait(job, timeout=240)
    assert (fields["JobState"], fields["ExitCode"]) == ("FAILED", "1:0")
    assert "SLURM does not requeue it" in errors.read_text()
    assert "submit it again with the same --out" in errors.read_text()
    told = cluster.run(sys.executable, "-P", "-m", "shoal", "status", "runs/x", cwd=home).stdout
    assert "does not requeue" in told or "failed" in told


@pytest.mark.long
def test_a_run_folder_that_the_nodes_do_not_see(cluster: Any, home: Path) -> None:
    """On each node's own /tmp: the worker says so, and the search goes on with the first node."""
    job = cluster.sbatch(
        "--nodes=2",
        "--cpus-per-task=1",
        "--mem=2500",
        SCRIPT,
        *SMALL,
        "--out",
        "/tmp/own/x",
        cwd=home,
    )
    cluster.wait(job)
    errors = (home / f"shoal-{job}.err").read_text()
    assert "does not see the run folder" in errors
    for host in cluster.pids:
        cluster.run("rm", "-rf", "/tmp/own", host=host)


def test_the_doctor_looks_at_every_node(cluster: Any, home: Path) -> None:
    """Through submit: each node once, GPUs that torch does not find told of, and exit code 0."""
    shoal = (sys.executable, "-P", "-m", "shoal")
    done = cluster.run(
        *shoal,
        "submit",
        "--nodes=3",
        "--gpus-per-node=2",
        "--cpus-per-task=2",
        "--",
        "doctor",
        "--out",
        "runs/look",
        cwd=home,
        check=True,
    )
    fields = cluster.wait(done.stdout.split()[1])
    said = cluster.run(*shoal, "logs", "runs/look", cwd=home, check=True).stdout
    assert fields["JobState"] == "COMPLETED", said
    lines = said.splitlines()
    for host in ("n1", "n2", "n3"):
        assert lines.count(host) == 1
    assert said.count("SLURM gave 2, torch finds no GPU") == 3
    assert said.count("the head's node answers at 10.211.0.1") == 3
    assert said.count("its name resolves to 127.0.1.1, which is not used") == 3
    assert "versions    the same" in said
    assert "  bad" not in said
    assert not list((home / "runs/look").glob(".shoal-doctor-*"))


@pytest.mark.long
def test_the_doctor_finds_a_run_folder_that_is_not_shared(cluster: Any, home: Path) -> None:
    """Each node's own /tmp can be written, and is still no place for a search."""
    job = cluster.sbatch(
        "--nodes=3", "--mem=1500", "slurm/doctor.sbatch", "--out", "/tmp/own/x", cwd=home
    )
    fields = cluster.wait(job)
    said = (home / f"shoal-{job}.out").read_text()
    assert (fields["JobState"], fields["ExitCode"]) == ("FAILED", "1:0")
    bad = [line.split(maxsplit=3) for line in said.splitlines() if line.startswith("  bad")]
    assert bad == [
        [
            "bad",
            "run",
            "folder",
            f"{host} does not see /tmp: give an --out on a disk that all nodes share",
        ]
        for host in ("n2", "n3")
    ]
