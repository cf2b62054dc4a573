"""Where the search of a run folder stands: by its batch job, by its writer, by its rows.

The folder is asked first and always; SLURM for some seconds, and it may be down, or not be there.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from shoal.search.errors import BadInput
from shoal.search.lock import Writer, writing
from shoal.slurm.errors import SlurmError
from shoal.slurm.queue import GONE, UNKNOWN, Phase, Standing, queue

ASK_SECONDS = 5.0
"""How long SLURM is waited for."""


class Code(IntEnum):
    """Exit codes of ``status`` and ``logs``; 2 is bad input, as everywhere."""

    DONE = 0
    """Every fit is done; a job without a search has completed."""

    OVER = 1
    """Nothing runs or waits, and fits are left: it failed, was stopped or cancelled."""

    RUNNING = 3
    """It runs, or its job waits in the queue, is suspended or is ending."""

    UNKNOWN = 4
    """It cannot be told: SLURM does not answer, or its host is out of sight."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """Where a run folder stands, its rows aside.

    Attributes:
        job: its batch job, ``UNKNOWN`` where SLURM does not answer; None: it has none.
        silent: why SLURM says nothing, or None.
        writer: who writes the folder; None: nobody.
    """

    job: Standing | None
    silent: str | None
    writer: Writer | None

    @property
    def lives(self) -> bool:
        """Whether something runs or waits that may yet say something."""
        works = self.job is not None and self.job.phase in (Phase.WAITING, Phase.LIVING)
        return works or (self.writer is not None and self.writer.lives is True)

    def code(self, *, whole: bool, begun: bool) -> Code:
        """Return the exit code.

        Args:
            whole: whether every row is there.
            begun: whether a search has begun in the folder.
        """
        phase = None if self.job is None else self.job.phase
        lives = False if self.writer is None else self.writer.lives
        if whole:
            return Code.DONE
        if self.lives:
            return Code.RUNNING
        if phase is Phase.UNKNOWN or (phase is None and (lives is None or self.silent)):
            return Code.UNKNOWN
        if not begun and self.job is not None:  # a cluster, or the doctor
            known = {"COMPLETED": Code.DONE, GONE: Code.UNKNOWN}
            return known.get(self.job.state, Code.OVER)
        return Code.OVER


def look(folder: Path) -> Outlook:
    """Look at a run folder, and ask SLURM of its job, all within seconds.

    Raises:
        BadInput: the folder does not exist, and no job will make it.
    """
    writer = writing.writer(folder, 0)
    been = queue.jobs_in(folder)
    job, silent = None, None
    if writer is not None and writer.lives and not been:
        return Outlook(job=None, silent=None, writer=writer)  # it runs here, without SLURM
    if shutil.which("squeue") is None:
        silent = "SLURM's squeue is not on this machine" if been else None
    else:
        try:
            job = queue.of_folder(folder, ASK_SECONDS)
        except queue.NoJob:
            if not folder.is_dir():
                raise
        except SlurmError as error:
            silent = f"SLURM does not answer ({_last_words(str(error))})"
    if job is None and not folder.is_dir():
        why = "" if silent is None else f", and {silent}"
        raise BadInput(f"{folder} does not exist{why}; give a run folder, as shoal run makes them")
    if job is None and been:
        job = Standing(job=been[-1], state=UNKNOWN)
    if writer is not None and writer.lives is None and (job is None or job.state == UNKNOWN):
        writer = writing.writer(folder, writing.WATCH_SECONDS)
    return Outlook(job=job, silent=silent, writer=writer)


def _last_words(text: str) -> str:
    """The last of SLURM's complaints, which names the cause of the others."""
    return re.split(r"\b\w+: (?:error|fatal): |(?:error|fatal): ", text)[-1].strip()
