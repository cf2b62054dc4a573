"""One more command on a cluster that stays up: a step on its head node."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from shoal.slurm import wire
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
    folder = Path(fields["WorkDir"], wire.own_out(job), wire.SLURM_FOLDER, job)
    try:
        head = published(folder, wire.HEAD) or {}
        share = next(s for s in allocation.shares if s.node == head.get(wire.NODE_KEY))
    except StopIteration:
        raise BadInput(
            f"job {job} has no Ray cluster that is up; look into "
            f"{wire.file_beside(job, wire.ERROR_ENDING)} where it was submitted, and start one by: "
            f"sbatch {wire.clone_script('cluster')}"
        ) from None
    environment = {
        **for_step(for_ray(limit.without(os.environ), folder / wire.TOKEN_FILE)),
        **limit.environment(folder, allocation.ends),
        "RAY_ADDRESS": head[wire.ADDRESS_KEY],
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
