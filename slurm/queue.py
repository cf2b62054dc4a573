"""What the queue says of a job: one question to SLURM, and no accounting."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from slurm import commands
from slurm.allocation import Allocation, parse
from slurm.errors import BadInput, SlurmError


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a job stands.

    Attributes:
        state: SLURM's word, such as ``PENDING``; ``GONE`` where SLURM has forgotten the job.
        reason: why it waits, in SLURM's word, or empty.
        left: what is left of its time limit, as SLURM writes it, or empty.
        nodes: how many it asks for or has.
    """

    job: str
    state: str
    reason: str = ""
    left: str = ""
    nodes: int = 0
    partition: str = ""


def standing(job: str) -> Standing:
    """Ask where a job stands."""
    try:
        told = commands.ask("squeue", "--noheader", "--jobs", job, "--format=%T|%r|%L|%D|%P")
    except SlurmError as error:
        if "Invalid job id" not in str(error):
            raise
        told = ""
    if not told.strip():
        try:
            return Standing(job=job, state=parse(commands.show_job(job)).state)
        except SlurmError:
            return Standing(job=job, state="GONE")
    state, reason, left, nodes, partition = told.splitlines()[0].split("|")
    return Standing(
        job=job, state=state, reason="" if reason == "None" else reason, left=left,
        nodes=int(nodes), partition=partition,
    )  # fmt: skip


def too_many_nodes(now: Standing) -> str | None:
    """What to say of a waiting job that asks for more nodes than its partition has, or None."""
    if now.state != "PENDING":
        return None
    usable = commands.usable_nodes(now.partition)
    if now.nodes <= usable:
        return None
    return (
        f"it asks for {now.nodes} nodes, and partition {now.partition} has {usable} that work: "
        "it may wait for ever; cancel it and ask for fewer"
    )


def jobs_of(out: Path) -> list[str]:
    """Return the ids of the jobs that were submitted into a run folder, the oldest first.

    Raises:
        BadInput: there is no such folder, or no job's.
    """
    if not out.is_dir():
        raise BadInput(f"{out} does not exist; give a run folder of a batch job")
    try:
        entries = [e.name for e in (out / "slurm").iterdir() if e.is_dir()]
    except OSError:
        entries = []
    jobs = [name for name in entries if name.replace("_", "").isdigit()]
    if not jobs:
        raise BadInput(f"no batch job has worked in {out}; submit one: shoal submit ... -- run ...")
    return sorted(jobs, key=lambda job: [int(part) for part in job.split("_")])


def own_running(job: str) -> Allocation:
    """Return a running job of this user.

    Raises:
        BadInput: it is another's, unknown, or not running.
    """
    if not job.replace("_", "").isdigit():
        raise BadInput(f"{job!r} is no job id; squeue --me lists yours")
    try:
        found = parse(commands.show_job(job))
    except SlurmError as error:
        raise BadInput(f"job {job}: {error}; squeue --me lists yours") from None
    number = found.fields.get("UserId", "").partition("(")[2].rstrip(")")
    if number != str(os.getuid()):
        raise BadInput(f"job {job} is {found.user}'s, not yours; squeue --me lists yours")
    if found.state != "RUNNING":
        raise BadInput(f"job {job} is {found.state.lower()}, not running; squeue --me lists yours")
    return found
