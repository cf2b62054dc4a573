"""SLURM's own commands: the one place that runs them.

Each is asked once for all, never once a node, and none needs accounting (``sacct``).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from shoal.slurm.errors import BadInput, SlurmError
from shoal.slurm.queue.states import node_works

SECONDS = 30.0
"""How long an answer may take: a busy controller takes its time."""


def require(tool: str, instead: str) -> None:
    """Check that SLURM's command `tool` is on this machine.

    Args:
        instead: what the user may type where there is no SLURM.

    Raises:
        BadInput: it is not.
    """
    if shutil.which(tool) is None:
        raise BadInput(f"{tool} is not on this machine: go to a SLURM login node, or {instead}")


def ask(*command: str, text: str | None = None, seconds: float | None = None) -> str:
    """Run a SLURM command and return what it prints.

    Args:
        text: its standard input.
        seconds: how long its answer may take; SECONDS if absent.

    Raises:
        SlurmError: it failed; the message has SLURM's own words.
    """
    seconds = SECONDS if seconds is None else seconds
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=seconds,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL if text is None else None,
            env={**os.environ, "SLURM_TIME_FORMAT": "standard"},  # moments as we read them
        )
    except (FileNotFoundError, PermissionError):
        raise BadInput(f"{command[0]} is not on this machine: go to a SLURM node") from None
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{command[0]} gave no answer in {seconds:.0f} s") from None
    if done.returncode != 0:
        words = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        raise SlurmError(f"{command[0]}: {words.removeprefix(f'{command[0]}: ')}")
    return done.stdout


def show_job(job: str, seconds: float | None = None) -> str:
    """Return ``scontrol show job -d`` of one job: all that SLURM knows of it.

    Args:
        seconds: how long the answer may take; SECONDS if absent.
    """
    return ask("scontrol", "show", "job", "-d", job, seconds=seconds)


def node_states(nodes: Sequence[str]) -> dict[str, str]:
    """Return SLURM's states of nodes, such as ``mixed`` or ``down*``: one question for all."""
    told = ask("sinfo", "--noheader", "--Node", "--nodes", ",".join(nodes), "--format=%N %T")
    return dict(line.split(None, 1) for line in told.splitlines() if line.strip())


def usable_nodes(partition: str) -> int:
    """Return how many nodes of a partition are not down, drained or failed."""
    told = ask("sinfo", "--noheader", "--Node", "--partition", partition, "--format=%N %T")
    states = dict(line.split(None, 1) for line in told.splitlines() if line.strip())
    return sum(node_works(state) for state in states.values())


def requeue(job: str) -> None:
    """Put a job back into the queue; it begins anew with its batch script.

    Raises:
        SlurmError: it cannot, as where the site has switched it off.
    """
    ask("scontrol", "requeue", job)


def exclude(job: str, node: str) -> None:
    """Keep a pending job off a node.

    Raises:
        SlurmError: SLURM does not allow it.
    """
    ask("scontrol", "update", f"JobId={job}", f"ExcNodeList={node}")


def cancel(job: str) -> None:
    """End a job."""
    ask("scancel", job)


def end_steps(job: str, mark: str) -> None:
    """Ask the steps of a job whose names end with `mark` to end: two questions for all of them.

    A signal to the job would reach every step, and in an allocation that somebody holds in a shell
    (salloc) that shell too. A SIGTERM to srun itself kills its step at once, with no time to tidy
    up.
    """
    told = ask("squeue", "--noheader", "--steps", f"--jobs={job}", "--format=%i %j")
    steps = [line.split()[0] for line in told.splitlines() if line.rstrip().endswith(mark)]
    if steps:
        ask("scancel", "--signal=TERM", *steps)
