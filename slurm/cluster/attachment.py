"""A command on a cluster that stays up: one step more, on the node of its head."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from shoal.slurm.cluster import limit
from shoal.slurm.errors import BadInput
from shoal.slurm.jobfolder import published
from shoal.slurm.node import for_ray, for_step
from shoal.slurm.queue import on_node, queue


def attach(job: str, command: Sequence[str]) -> int:
    """Run a command on the cluster of a job; return its exit code.

    Ray takes a driver only where one of its nodes runs, so it is a step of the job.

    Raises:
        BadInput: the job is not ours, has ended, or has no cluster that is up.
    """
    allocation = queue.own_running(job)
    fields = allocation.fields
    if "ArrayTaskId" in fields:  # its folder is named as a task's, whichever id was typed
        job = f"{fields['ArrayJobId']}_{fields['ArrayTaskId']}"
    folder = Path(fields["WorkDir"], "runs", f"job-{job}", "slurm", job)
    try:
        head = published(folder, "head") or {}
        share = next(s for s in allocation.shares if s.node == head.get("node"))
    except StopIteration:
        raise BadInput(
            f"job {job} has no Ray cluster that is up; look into shoal-{job}.err where it was "
            "submitted, and start one by: sbatch slurm/cluster.sbatch"
        ) from None
    environment = {
        **for_step(for_ray(limit.without(os.environ), folder / "token")),
        **limit.environment(folder, allocation.ends),
        "RAY_ADDRESS": head["address"],
    }
    options, guard = on_node(share, allocation.shares)
    step = [
        "srun",
        f"--jobid={allocation.job}",
        "--overlap",
        *options,
        "--mem=0",
        "--export=ALL",
        "--input=none",
        "--quiet",
        f"--chdir={os.getcwd()}",
        *guard,
    ]
    return subprocess.run([*step, *command], env=environment, check=False).returncode
