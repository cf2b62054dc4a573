"""How a job goes on that cannot end here: back into the queue, where SLURM lets it."""

from __future__ import annotations

from slurm import commands
from slurm.allocation import parse
from slurm.errors import ClusterError, SlurmError
from slurm.jobfolder import JobFolder

MOST_REQUEUES = 5
"""How often a job that loses its head is put back into the queue, so that it does not go round for
ever. A life that has saved what it did begins the count anew."""

MOST_IDLE = 2
"""After how many lives in a row that gained nothing a job ends."""

AGAIN = "submit it again with the same --out and it goes on"


def put_back(
    job: str, folder: JobFolder, why: str, bad_node: str | None = None, most: int = MOST_REQUEUES
) -> str:
    """Put a job that has lost its cluster back into the queue; return what was done, in words.

    Args:
        job: its id; of one task of an array ``ID_TASK``.
        why: what happened, for the log.
        most: how often it may have been.
        bad_node: a node that the next life is kept off, where enough others are left.

    Raises:
        ClusterError: it cannot be put back; the message says why and how to go on.
    """
    if folder.count("requeues") > most:
        times = "once" if most == 1 else f"{most} times"
        raise ClusterError(f"{why}; put back into the queue {times} already; {AGAIN}")
    message = _requeue(job, folder, why)
    if bad_node is not None and _leave_out(job, bad_node):
        message += f", without {bad_node}"
    return message


def go_on(job: str, folder: JobFolder, why: str, *, gained: bool) -> str:
    """Put a job back into the queue that ends for no fault of its own: as often as it takes.

    Args:
        gained: whether it has got further in this life.

    Raises:
        ClusterError: it cannot be put back; the message says why and how to go on.
    """
    if gained:
        folder.forget("requeues")
        folder.forget("idle")
    return _requeue(job, folder, why)


def try_again(job: str, folder: JobFolder, why: str, advice: str) -> str:
    """Put a job back into the queue whose life gained nothing, unless the last did not either.

    Raises:
        ClusterError: it cannot be put back; the message says why and how to go on.
    """
    if folder.count("idle") >= MOST_IDLE:
        folder.forget("idle")  # who submits again into this folder begins anew
        raise ClusterError(f"{why}, and so {MOST_IDLE} times in a row: {advice}; {AGAIN}")
    return _requeue(job, folder, why)


def _requeue(job: str, folder: JobFolder, why: str) -> str:
    try:
        commands.requeue(job)
    except SlurmError as error:
        if not _on_its_way(job):  # another node's agent, or SLURM itself, may have been quicker
            raise ClusterError(f"{why}; SLURM does not requeue it ({error}); {AGAIN}") from None
    folder.note_end(why)
    return f"{why}; job {job} is back in the queue and goes on from its run folder"


def _on_its_way(job: str) -> bool:
    try:
        return parse(commands.show_job(job)).state in ("PENDING", "COMPLETING", "REQUEUED")
    except SlurmError:
        return False


def _leave_out(job: str, node: str) -> bool:
    """Keep the next life off `node`, if SLURM lets us and enough other nodes are left."""
    try:
        fields = parse(commands.show_job(job)).fields
        least = int(fields.get("NumNodes", "1").partition("-")[0])
        if commands.usable_nodes(fields.get("Partition", "")) <= least:
            return False
        commands.exclude(job, node)
    except (SlurmError, ValueError):
        return False
    return True
