"""Requeueing a job that cannot go on here, where SLURM allows it.

The batch host and the agents of all other nodes may come to this in the same moment: SLURM is asked
once a life, by whoever is first.
"""

from __future__ import annotations

from collections.abc import Callable

from shoal.slurm import wire
from shoal.slurm.errors import ClusterError, SlurmError
from shoal.slurm.jobfolder import JobFolder
from shoal.slurm.queue import commands
from shoal.slurm.queue.allocation import Allocation, parse
from shoal.slurm.queue.turn import Turn

MAX_REQUEUES = 5
"""Maximum number of requeues after a lost head, so that a job does not go round for ever. A life
that has saved what it did resets the count."""

MAX_IDLE_LIVES = 2
"""Maximum number of lives in a row without progress, after which a job ends."""

AGAIN = "submit it again with the same --out and it goes on"


TURN_SECONDS = 100.0
"""Timeout after which another process asks SLURM in place of the first: three of its commands may
take half a minute each."""


def put_back(
    job: str,
    folder: JobFolder,
    why: str,
    bad_node: str | None = None,
    max_requeues: int = MAX_REQUEUES,
    nodes: int = 1,
    otherwise: Callable[[], None] | None = None,
) -> str:
    """Requeue a job that has lost its cluster, up to a limit; return a message of what was done.

    Args:
        job: its id; of one task of an array ``ID_TASK``.
        why: what happened, for the log.
        max_requeues: how often it may have been put back before.
        bad_node: a node that the next life is kept off, where enough others are left.
        nodes: how many may ask at once.
        otherwise: what is done where it cannot be put back, once a life too.

    Raises:
        ClusterError: it cannot be put back; the message says why and how to go on.
    """

    def ask() -> str:
        try:
            if folder.count(wire.REQUEUES_COUNT) > max_requeues:
                times = "once" if max_requeues == 1 else f"{max_requeues} times"
                raise ClusterError(f"{why}; put back into the queue {times} already; {AGAIN}")
            message = _requeue(job, folder, why)
        except ClusterError as error:
            if otherwise is not None:
                folder.note_end(str(error))
                otherwise()
            raise
        if bad_node is not None and _leave_out(job, bad_node):
            message += f", without {bad_node}"
        return message

    return _once(job, folder, why, nodes, ask)


def go_on(job: str, folder: JobFolder, why: str, *, gained: bool) -> str:
    """Requeue a job that was preempted or reached its limit, without a limit to how often.

    Args:
        gained: whether it has got further in this life.

    Raises:
        ClusterError: it cannot be put back; the message says why and how to go on.
    """
    if gained:
        folder.forget(wire.REQUEUES_COUNT)
        folder.forget(wire.IDLE_COUNT)
    return _once(job, folder, why, 1, lambda: _requeue(job, folder, why))


def try_again(job: str, folder: JobFolder, why: str, advice: str) -> str:
    """Requeue a job that made no progress, unless its last life made none either.

    Raises:
        ClusterError: it cannot be put back; the message says why and how to go on.
    """
    if folder.count(wire.IDLE_COUNT) >= MAX_IDLE_LIVES:
        folder.forget(wire.IDLE_COUNT)  # who submits again into this folder begins anew
        raise ClusterError(f"{why}, and so {MAX_IDLE_LIVES} times in a row: {advice}; {AGAIN}")
    return _once(job, folder, why, 1, lambda: _requeue(job, folder, why))


def end_job(job: str) -> None:
    """End a batch job of whose processes nobody else is left to end it; an allocation that somebody
    holds in a shell of his own (salloc) is not ours to end."""
    try:
        if parse(commands.show_job(job)).fields.get("BatchFlag") == "0":
            return
    except SlurmError:
        pass
    commands.cancel(job)


def _once(job: str, folder: JobFolder, why: str, nodes: int, ask: Callable[[], str]) -> str:
    turn = Turn(folder, "requeue", TURN_SECONDS, nodes)
    if not turn.wait():
        return f"{why}; another node has asked SLURM to put job {job} back"
    try:
        return ask()
    finally:
        turn.finish()


def _requeue(job: str, folder: JobFolder, why: str) -> str:
    word = _word(job)
    if word is not None and word.fields.get("BatchFlag") == "0":
        raise ClusterError(f"{why}; job {job} is a shell's (salloc, srun): type the command again")
    if word is None or not _later(word, folder.life):
        try:
            commands.requeue(job)
        except SlurmError as error:
            if not _on_its_way(job):  # SLURM itself may have been quicker
                raise ClusterError(f"{why}; SLURM does not requeue it ({error}); {AGAIN}") from None
    folder.note_end(why)
    return f"{why}; job {job} is back in the queue and goes on from its run folder"


def _word(job: str) -> Allocation | None:
    try:
        return parse(commands.show_job(job))
    except SlurmError:
        return None


def _later(word: Allocation, life: int) -> bool:
    """Whether a later life has begun, or waits to."""
    restarts = word.fields.get("Restarts", "0")
    return word.state == "PENDING" or (restarts.isdigit() and int(restarts) > life)


def _on_its_way(job: str) -> bool:
    word = _word(job)
    return word is not None and word.state in ("PENDING", "COMPLETING", "REQUEUED")


def _leave_out(job: str, node: str) -> bool:
    """Exclude `node` from the next life, if SLURM allows it and enough other nodes are left."""
    try:
        fields = parse(commands.show_job(job)).fields
        least = int(fields.get("NumNodes", "1").partition("-")[0])
        if commands.usable_nodes(fields.get("Partition", "")) <= least:
            return False
        commands.exclude(job, node)
    except (SlurmError, ValueError):
        return False
    return True
