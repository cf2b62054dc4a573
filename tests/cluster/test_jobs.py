"""The command line's batch jobs on a real SLURM: submit, status, logs, cancel, attach."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas
import pytest

SHOAL = (sys.executable, "-P", "-m", "shoal")
SMALL = ("run", "--trials", "64", "--steps", "50", "--quiet")


def test_submit_status_logs_cancel(cluster: Any, home: Path) -> None:
    """A folder with a space, a quote and a letter that is not ASCII goes all the way."""
    out = "runs/it's ö 100%"
    done = cluster.run(
        *SHOAL, "submit", "--cpus-per-task=2", "--", *SMALL, "--out", out, cwd=home, check=True
    )
    assert done.stderr == ""
    job = done.stdout.split()[1]
    assert cluster.wait(job)["JobState"] == "COMPLETED"
    assert len(pandas.read_parquet(home / out / "trials.parquet")) == 64
    told = cluster.run(*SHOAL, "status", out, cwd=home, check=True).stdout
    assert f"job     {job}: completed" in told
    assert "64 of 64 fits done, best loss" in told
    assert "the command ended with exit code 0" in told
    said = cluster.run(*SHOAL, "logs", out, "-f", cwd=home, check=True).stdout
    assert "cluster of 1 of 1 nodes up, 2 CPUs, 0 GPUs" in said
    assert "best    loss" in said
    again = cluster.run(*SHOAL, "cancel", out, cwd=home)
    assert again.returncode == 2
    assert "is over (completed)" in again.stderr


def test_a_job_that_waits_is_found_by_the_folder_it_will_make(cluster: Any, home: Path) -> None:
    """Plain sbatch makes no folder; status, logs and cancel know the job by its command."""
    out = "runs/two  words'\nand a | line"
    script = "slurm/search.sbatch"
    other = cluster.sbatch("--hold", script, *SMALL, "--out", "runs/two", cwd=home)
    job = cluster.sbatch("--hold", script, "run", "--out", out, "--trials", "64", cwd=home)
    told = cluster.run(*SHOAL, "status", out, cwd=home)
    assert told.stdout.startswith(f"job     {job}: pending, reason JobHeldUser")
    assert "search  not begun" in told.stdout
    assert told.returncode == 3
    said = cluster.run(*SHOAL, "logs", out, cwd=home)
    assert (said.returncode, said.stdout) == (3, "")
    assert f"job {job} is cancelled" in cluster.run(*SHOAL, "cancel", out, cwd=home).stdout
    assert cluster.job(other)["JobState"] == "PENDING"
    none = cluster.run(*SHOAL, "status", "runs/three", cwd=home)
    assert none.returncode == 2
    assert "no job of yours in the queue has --out runs/three" in none.stderr


def test_what_slurm_refuses_is_told_in_its_words_and_leaves_nothing(
    cluster: Any, home: Path
) -> None:
    """An unknown partition; and more nodes than there are, which SLURM takes and we tell of."""
    refused = cluster.run(
        *SHOAL, "submit", "-p", "nowhere", "--", *SMALL, "--out", "runs/x", cwd=home
    )
    assert refused.returncode == 2
    assert "invalid partition" in refused.stderr.lower()
    assert len(refused.stderr.splitlines()) == 1
    assert not (home / "runs").exists()
    many = cluster.run(*SHOAL, "submit", "--nodes=7", "--", *SMALL, "--out", "runs/y", cwd=home)
    if many.returncode == 0:  # some versions refuse it
        assert "partition main has 3 that work" in many.stderr
        assert "has 3 that work" in cluster.run(*SHOAL, "status", "runs/y", cwd=home).stdout
        cluster.run(*SHOAL, "cancel", "runs/y", cwd=home, check=True)
    else:
        assert not (home / "runs").exists()


@pytest.mark.long
def test_a_cluster_that_stays_up_takes_searches_of_its_owner_alone(
    cluster: Any, home: Path
) -> None:
    """``sbatch slurm/cluster.sbatch`` says how to use it; ``shoal attach`` does; others may not."""
    script = "slurm/cluster.sbatch"
    job = cluster.sbatch("--nodes=2", "--gpus-per-node=1", "--mem=3G", script, cwd=home)
    log = home / f"shoal-{job}.err"
    while not log.exists() or "2 of 2 nodes up" not in log.read_text():
        time.sleep(0.3)
        assert cluster.job(job)["JobState"] in ("PENDING", "RUNNING")
    assert f"shoal attach {job} -- run" in log.read_text()

    done = cluster.run(*SHOAL, "attach", job, "--", *SMALL, "--out", "runs/a", cwd=home, check=True)
    assert "best    loss" in done.stdout
    trials = pandas.read_parquet(home / "runs/a/trials.parquet")
    assert set(trials["device"]) == {"cpu for gpu:0"}

    folder = home / f"runs/job-{job}/slurm/{job}"
    token = (folder / "token").read_text()
    assert (folder / "token").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    for host in cluster.nodes(job):
        for pid, line in cluster.processes(host, "ray").items():
            assert token not in line
            assert token.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
        spied = cluster.run("sh", "-c", "ls /tmp/shoaljob-*/", host=host, user=4001)
        assert "Permission denied" in spied.stderr
    assert cluster.run("cat", folder / "token", user=4001).returncode != 0

    steal = (
        "import ray, sys\n"
        "try:\n"
        "    ray.init(address=sys.argv[1], log_to_driver=False)\n"
        "    print('RAN', ray.get(ray.remote(lambda: 1).remote()))\n"
        "except Exception as error:\n"
        "    print('refused', type(error).__name__)\n"
    )
    address = (folder / "head.json").read_text().split('"')[3]
    head = cluster.nodes(job)[0]
    modes = ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "x"})

    def try_to(mode: dict[str, str]) -> Any:
        return cluster.run(sys.executable, "-c", steal, address, host=head, **mode)

    with ThreadPoolExecutor() as at_once:
        results = list(at_once.map(try_to, modes))
    for tried in results:
        assert "RAN" not in tried.stdout, tried.stdout
        assert "refused" in tried.stdout or tried.returncode != 0

    cluster.run("scancel", job)
    assert cluster.wait(job)["JobState"] == "CANCELLED"
    late = cluster.run(*SHOAL, "attach", job, "--", *SMALL, cwd=home)
    assert late.returncode == 2
    assert f"job {job} is cancelled, not running" in late.stderr
    assert cluster.run(*SHOAL, "attach", "999", "--", *SMALL, cwd=home).returncode == 2


def test_one_fit_without_ray(cluster: Any, home: Path) -> None:
    """``sbatch slurm/fit.sbatch lr=1e-6``: the losses in the output file, and no Ray."""
    job = cluster.sbatch("--mem=1500", "slurm/fit.sbatch", "lr=1e-6", "--steps", "200", cwd=home)
    fields = cluster.wait(job)
    output = (home / f"shoal-{job}.out").read_text()
    assert (fields["JobState"], fields["ExitCode"]) == ("COMPLETED", "0:0")
    assert "Result: y = " in output
    assert not (home / "runs").exists()


def test_the_cluster_of_another_user_is_refused(cluster: Any, home: Path) -> None:
    """Also to root, who could."""
    own = home / "alice"
    own.mkdir()
    os.chown(own, 4001, 4001)
    wrap = ("--mem=100", "--output=/dev/null", "--wrap=sleep 60")
    job = cluster.sbatch(*wrap, cwd=own, user=4001)
    cluster.wait(job, "RUNNING")
    told = cluster.run(*SHOAL, "attach", job, "--", *SMALL, cwd=home)
    assert told.returncode == 2
    assert told.stderr == f"shoal: job {job} is alice's, not yours; squeue --me lists yours\n"


def test_in_a_shell_of_an_allocation_a_search_ends_its_own_steps_alone(
    cluster: Any, home: Path
) -> None:
    """Under salloc, in a step on one of its nodes: the shell lives on, and so does another step;
    the job is not put back."""
    alone = f"{SEARCH}; echo it ended with $?; squeue --steps --noheader --format=%j"
    step = "srun --overlap --nodes=1 --ntasks=1 --mem=0"
    told = cluster.run(
        "salloc",
        "--nodes=2",
        "--cpus-per-task=2",
        "--mem=1900",
        "bash",
        "-c",
        f"srun --overlap --job-name=another --mem=0 sleep 600 & {step} --job-name=mine bash -c "
        f"'{alone}'; kill %1; wait; echo the shell lives",
        cwd=home,
    )
    lines = told.stdout.splitlines()
    assert "it ended with 0" in lines, told.stdout + told.stderr
    assert {"another", "mine"} <= set(lines)
    assert not [line for line in lines if line.startswith("ray-")]
    assert lines[-1] == "the shell lives"
    refused = cluster.run("salloc", "--nodes=1", "bash", "-c", SEARCH, cwd=home)
    assert refused.returncode == 2
    assert "this shell is on no node of job" in refused.stderr


SEARCH = "python -P -m shoal.slurm supervise -- true --out runs/x"
