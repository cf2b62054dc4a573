"""``sbatch slurm/search.sbatch``: a search over the nodes of an allocation."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sysconfig
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest

import shoal

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/slurm.md").read_text(encoding="utf-8")
SEARCH = [
    "--trials",
    "96",
    "--folds",
    "2",
    "--select",
    "best",
    "--keep",
    "3",
    "--epochs",
    "15",
    "--pack",
    "8",
    "--round",
    "48",
    "--pruner",
    "halving:factor=2",
    "--quiet",
]


BESIDE = ("net.py", "sides.py")

GATED = """
import os
import time
from pathlib import Path

from net import Net

GATE = Path(__file__).parent / "gate"


class Gated(Net):
    def data(self):
        gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        if gpu in ("0", "1"):  # a worker's own; who prepares the search does not wait
            (GATE / f"{os.uname().nodename}-{gpu}").touch()
            until = time.monotonic() + 240
            while len(list(GATE.iterdir())) < 6 and time.monotonic() < until:
                time.sleep(0.1)
        return super().data()
"""
"""A module with minibatches and metrics, of which no fit begins before each of six GPUs has one."""


def test_a_new_user_goes_by_the_page_on_slurm(
    cluster: Any,
    home: Path,
    shell: Callable[..., Any],
    tmp_path: Path,
    same_folder: Callable[[Path, Path], None],
    record_property: Callable[[str, str], None],
) -> None:
    """From an empty account to pandas, the page's lines word by word, but for the clone and what
    is installed from the network. Rows from three nodes and six GPUs, the table and the
    kept parameters of one machine; the cluster is up within 20 s."""
    section = PAGE.partition("# Launching a Ray cluster with sbatch")[2]
    clone, make, *lines = re.findall(r"^\$ (.*)", section.partition("\n```\n")[2], re.MULTILINE)
    assert clone == "git clone URL-OF-THIS-REPOSITORY shoal && cd shoal"
    assert make.startswith("make search ")
    install(home / "shoal")
    (home / "shoal/gated.py").write_text(GATED)
    for name in BESIDE:
        shutil.copy(ROOT / "tests" / name, home / "shoal")
    (home / "shoal/gate").mkdir()
    for path in (home, *home.rglob("*")):
        os.chown(path, 4001, 4001, follow_symlinks=False)
    text = "\n".join(["set -e", "cd shoal", *lines])
    assert text.count("run --trials 100000") == text.count("shoal status runs/big ") == 1
    text = text.replace("shoal status runs/big ", "shoal status runs/big || test $? = 3 ")
    account = {"HOME": str(cluster.folder / "home/alice"), "USER": "alice"}
    defaults = {"SBATCH_CPUS_PER_GPU": "2", "SBATCH_MEM_PER_NODE": "3G"}  # as sites have them
    text = text.replace("run --trials 100000", f"run gated.py:Gated {' '.join(SEARCH)}")
    done = cluster.run(
        "bash",
        "-c",
        text,
        cwd=home,
        user=4001,
        check=True,
        timeout=240,
        **account,
        **defaults,
    )
    (job,) = re.findall(r"Submitted batch job (\d+)", done.stdout)
    assert f"job     {job}: " in done.stdout
    fields = cluster.wait(job)
    errors = (home / f"shoal/shoal-{job}.err").read_text()
    assert (fields["JobState"], fields["ExitCode"]) == ("COMPLETED", "0:0"), errors
    trials = pandas.read_parquet(home / "shoal/runs/big/trials.parquet")
    assert set(trials["node"]) == {"n1", "n2", "n3"}
    assert set(trials["device"]) == {"cpu for gpu:0", "cpu for gpu:1"}
    assert trials.groupby(["node", "device"]).ngroups == 6
    assert len(list((home / "shoal/gate").iterdir())) == 6
    (seconds,) = re.findall(r"cluster of 3 of 3 nodes up, 12 CPUs, 6 GPUs, (\d+) s after", errors)
    record_property("measured", f"three nodes counted {seconds} s after the job's start")
    assert seconds in done.stdout
    assert "torch finds no CUDA" in done.stdout
    assert "best    accuracy" in done.stdout
    assert (trials["state"] == "pruned").any()
    (tmp_path / "gated.py").write_text(GATED)
    for name in BESIDE:
        shutil.copy(ROOT / "tests" / name, tmp_path)
    alone = shell("run", "gated.py:Gated", *SEARCH, "--out", "alone", "--engine", "inline")
    assert alone.returncode == 0, alone.stderr
    same_folder(tmp_path / "alone", home / "shoal/runs/big")
    assert len(list((tmp_path / "alone/parameters").iterdir())) == 6  # of three trials, two folds


def install(clone: Path) -> None:
    """Make what a clone and its ``make search`` leave, without a network: the project's files and
    a virtual environment that takes its packages from ours."""
    shutil.rmtree(clone.parent / "slurm")
    for name in ("search", "trainable", "slurm"):
        shutil.copytree(ROOT / name, clone / name)
    venv.create(clone / ".venv")
    packages = next(clone.glob(".venv/lib/python*/site-packages"))
    ours = sysconfig.get_path("purelib")
    (packages / "shoal.pth").write_text(f"{clone}\nimport site; site.addsitedir({ours!r})\n")
    command = clone / ".venv/bin/shoal"
    command.write_text(
        f"#!{clone}/.venv/bin/python\nfrom shoal.search.command.main import main\n\nmain()\n"
    )
    command.chmod(0o755)


def test_a_search_that_fails_fails_the_job_and_scancel_leaves_nothing(
    cluster: Any, home: Path
) -> None:
    """The driver's exit code is the job's; a cancelled job's processes and folders go."""
    script = "slurm/search.sbatch"
    wrong = cluster.sbatch("--nodes=1", script, "run", "--trials", "none", cwd=home)
    long = cluster.sbatch(
        "--nodes=2",
        "--cpus-per-task=2",
        script,
        "run",
        "--trials",
        "100000",
        "--program",
        "eager",
        "--out",
        "runs/long",
        cwd=home,
    )
    fields = cluster.wait(wrong)
    assert (fields["JobState"], fields["ExitCode"]) == ("FAILED", "2:0")
    assert "--trials" in (home / f"shoal-{wrong}.err").read_text()
    log = home / f"shoal-{long}.err"
    cluster.eventually(lambda: "cluster of 2 of 2 nodes up" in log.read_text())
    cluster.run("scancel", long, check=True)
    assert cluster.wait(long)["JobState"] == "CANCELLED"


@pytest.mark.long
def test_a_raylet_killed_and_a_link_cut_cost_no_trial(cluster: Any, home: Path) -> None:
    """The job goes on with what is left, says so, and has every trial once."""
    job = cluster.sbatch(
        "--nodes=3",
        "--cpus-per-task=1",
        "--mem=2500",
        "slurm/search.sbatch",
        "run",
        "--trials",
        "1280",
        "--pack",
        "16",
        "--round",
        "256",
        "--quiet",
        "--program",
        "eager",
        "--out",
        "runs/mended",
        cwd=home,
    )
    log = home / f"shoal-{job}.err"
    cluster.eventually(lambda: "cluster of 3 of 3 nodes up" in log.read_text())
    parts = home / "runs/mended"
    _, one, other = cluster.nodes(job)
    cluster.eventually(lambda: {one, other} <= nodes_so_far(parts))
    (raylet,) = [p for p, line in cluster.processes(one).items() if "raylet/raylet" in line]
    os.kill(raylet, signal.SIGKILL)
    cluster.eventually(lambda: f"{one} left: it is started again" in log.read_text())
    cluster.link(other, "down")
    try:
        cluster.eventually(lambda: f"Ray lost {other}" in log.read_text())
        while cluster.job(job)["JobState"] == "RUNNING":
            time.sleep(0.3)
    finally:
        cluster.link(other, "up")
    fields = cluster.wait(job)  # SLURM holds it back until all nodes answer
    assert fields["JobState"] == "COMPLETED", log.read_text()
    trials = pandas.read_parquet(parts / "trials.parquet")
    assert trials["trial"].tolist() == list(range(1280))
    assert set(trials["state"]) == {"complete", "diverged"}


@pytest.mark.long
def test_a_killed_head_puts_the_job_back_and_it_ends_in_its_next_life(
    cluster: Any, home: Path, tmp_path: Path, same_table: Callable[[Path, Path], None]
) -> None:
    """Requeued within 60 s with one line of why; then it does what is left. It is a search of 80
    trials, begun elsewhere, that gets 320: the table is that of one that had them at once."""
    folder = home / "runs/again"
    asked: dict[str, Any] = {"program": "eager", "pack": 16, "round": 80, "engine": "inline"}
    shoal.run(**asked, trials=80, out=folder)
    here = nodes_so_far(folder)
    job = cluster.sbatch(
        "--nodes=2",
        "--cpus-per-task=1",
        "--mem=2500",
        "slurm/search.sbatch",
        "run",
        "--trials",
        "320",
        "--program",
        "eager",
        "--pack",
        "16",
        "--round",
        "80",
        "--quiet",
        "--out",
        "runs/again",
        cwd=home,
    )
    log = home / f"shoal-{job}.err"
    cluster.eventually(lambda: len(nodes_so_far(folder) - here) > 0)
    head = cluster.nodes(job)[0]
    (gcs,) = [p for p, line in cluster.processes(head).items() if "gcs/gcs_server" in line]
    os.kill(gcs, signal.SIGKILL)
    cluster.eventually(lambda: "is back in the queue" in log.read_text())
    assert f"Ray's head on {head} ended" in log.read_text()
    fields = cluster.wait(job)
    assert (fields["JobState"], fields["Restarts"]) == ("COMPLETED", "1"), log.read_text()
    assert (fields["Restarts"], len(shoal.load(folder).trials)) == ("1", 320)
    shoal.run(**asked, trials=320, out=tmp_path / "alone")
    same_table(tmp_path / "alone", folder)


@pytest.mark.long
def test_a_lost_batch_host_puts_the_job_back_within_a_minute(cluster: Any, home: Path) -> None:
    """A surviving agent asks for it; the next life, on the other nodes, does what is left."""
    job = cluster.sbatch(
        "--nodes=2",
        "--cpus-per-task=1",
        "--mem=2500",
        "slurm/search.sbatch",
        "run",
        "--trials",
        "512",
        "--pack",
        "16",
        "--round",
        "128",
        "--quiet",
        "--program",
        "eager",
        "--out",
        "runs/cut",
        cwd=home,
    )
    folder = home / "runs/cut"
    cluster.eventually(lambda: len(nodes_so_far(folder)) == 2)
    batch_host, other = cluster.nodes(job)
    cluster.power_off(batch_host)
    try:
        asked = "the batch host is lost: asking SLURM"
        log = folder / f"slurm/{job}/node-{other}.log"
        cluster.eventually(lambda: asked in log.read_text(), seconds=60)
        cluster.eventually(lambda: cluster.job(job)["Restarts"] == "1")
        cluster.wait(job, "RUNNING")
        assert batch_host not in cluster.nodes(job)
        done = len(shoal.load(folder).trials)
        fields = cluster.wait(job)
    finally:
        cluster.run("scancel", job)
        cluster.power_on(batch_host)
    errors = (home / f"shoal-{job}.err").read_text()
    assert (fields["JobState"], fields["Restarts"]) == ("COMPLETED", "1"), errors
    trials = pandas.read_parquet(folder / "trials.parquet")
    assert trials["trial"].tolist() == list(range(512))
    assert 0 < done < 512


def nodes_so_far(folder: Path) -> set[str]:
    """The nodes that have sent rows."""
    try:
        return set(shoal.load(folder).trials["node"])
    except shoal.SearchError:
        return set()
