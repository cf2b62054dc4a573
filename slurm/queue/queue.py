"""The state of jobs in the queue, by squeue and scontrol alone (no accounting)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from shoal.slurm import wire
from shoal.slurm.errors import BadInput, SlurmError
from shoal.slurm.queue import commands
from shoal.slurm.queue.allocation import Allocation, parse
from shoal.slurm.queue.commands import ask
from shoal.slurm.queue.states import GONE, Phase, phase
from shoal.slurm.queue.tasks import ID, order, task_in

_RECORD, _FIELD = "\x1e", "\x1f"
"""ASCII's own separators: folders and commands may hold all else, newlines too."""


class NoJob(BadInput):
    """No batch job has worked in a run folder, and none in the queue will."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The state of a job in the queue.

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

    @property
    def phase(self) -> Phase:
        """The phase that the state belongs to."""
        return phase(self.state)


def standing(job: str, seconds: float | None = None) -> Standing:
    """Ask SLURM for the state of a job.

    Args:
        seconds: how long SLURM's answer may take; `commands.SECONDS` if absent.

    Raises:
        SlurmError: it does not answer.
    """
    try:
        told = _listed("--jobs", job, seconds=seconds)
    except SlurmError as error:
        if "Invalid job id" not in str(error):
            raise
        told = []
    return told[0][0] if told else Standing(job=job, state=GONE)


def _listed(*which: str, seconds: float | None = None) -> list[tuple[Standing, str, str]]:
    """Jobs, those that ended in the last minutes too, each with its folder and its command."""
    form = _RECORD + _FIELD.join(("%i", "%T", "%r", "%L", "%D", "%P", "%Z", "%o"))
    told = ask("squeue", "--noheader", "--states=all", *which, f"--format={form}", seconds=seconds)
    found = []
    for record in told.split(_RECORD)[1:]:
        job, state, reason, left, nodes, partition, folder, command = record.split(_FIELD)
        now = Standing(
            job=job,
            state=state,
            reason="" if reason == "None" else reason,
            left=left,
            nodes=int(nodes) if nodes.isdigit() else 0,
            partition=partition,
        )
        found.append((now, folder, command.removesuffix("\n")))
    return found


def too_many_nodes(now: Standing) -> str | None:
    """A warning where a waiting job asks for more nodes than its partition has, or None."""
    if now.state != "PENDING":
        return None
    try:
        usable = commands.usable_nodes(now.partition)
    except SlurmError:
        return None
    if now.nodes <= usable:
        return None
    return (
        f"it asks for {now.nodes} nodes, and partition {now.partition} has {usable} that work: "
        "it may wait for ever; cancel it and ask for fewer"
    )


def of_folder(out: Path, seconds: float | None = None) -> Standing:
    """Return where the batch job of a run folder stands: of several, the one that runs, else one
    that waits, else the newest. A job that waits has left no trace in the folder; its command does.

    Args:
        seconds: how long SLURM's answer may take; `commands.SECONDS` if absent.

    Raises:
        NoJob: there is none.
        SlurmError: SLURM does not answer.
    """
    been = jobs_in(out)
    mine = []
    for now, folder, command in _listed("--me", seconds=seconds):
        job = now.job if now.job in been else _named_by(command, Path(folder), out, now.job)
        if job is not None:
            mine.append(replace(now, job=job))
    if mine:
        phases = (Phase.OVER, Phase.UNKNOWN, Phase.WAITING, Phase.LIVING)
        return max(mine, key=lambda now: (phases.index(now.phase), order(now.job)))
    if been:  # another user's, or forgotten
        return standing(been[-1], seconds)
    if not out.is_dir():
        raise NoJob(
            f"{out} does not exist, and no job of yours in the queue has --out {out}; "
            "give a run folder of a batch job"
        )
    raise NoJob(f"no batch job has worked in {out}; submit one: shoal submit ... -- run ...")


def jobs_in(out: Path) -> list[str]:
    """The ids of the jobs that have worked in a run folder, the oldest first."""
    try:
        return sorted(
            (
                e.name
                for e in (out / wire.SLURM_FOLDER).iterdir()
                if ID.fullmatch(e.name) and e.is_dir()
            ),
            key=order,
        )
    except OSError:
        return []


def _named_by(command: str, folder: Path, out: Path, job: str) -> str | None:
    """The job, or the task of it, whose command, which SLURM tells without its quotes, has
    ``--out`` for `out`; or None.

    Args:
        folder: where the job was submitted.
    """
    wanted = os.path.realpath(out)
    for named in re.finditer(rf"\s{wire.OUT_OPTION}[= ]", command):
        words = command[named.end() :].split(" ")
        for count in range(len(words)):
            named_out = os.path.expanduser(" ".join(words[: count + 1]))
            found = task_in(job, os.path.realpath(folder / named_out), wanted)
            if found is not None:
                return found
    return None


def own_running(job: str) -> Allocation:
    """Return a running job of this user.

    Raises:
        BadInput: it is another's, unknown, or not running.
    """
    if ID.fullmatch(job) is None:
        raise BadInput(f"{job!r} is no job id; squeue --me lists yours")
    try:
        found = parse(commands.show_job(job))
    except SlurmError as error:
        raise BadInput(f"job {job}: {error}; squeue --me lists yours") from None
    number = found.fields.get("UserId", "").partition("(")[2].rstrip(")")
    if number != str(os.getuid()):
        raise BadInput(f"job {job} is {found.user}'s, not yours; squeue --me lists yours")
    if "HetJobId" in found.fields:
        raise BadInput(
            f"job {job} is heterogeneous, and no cluster of shoal's; squeue --me lists yours"
        )
    if found.state != "RUNNING":
        raise BadInput(f"job {job} is {found.state.lower()}, not running; squeue --me lists yours")
    return found
