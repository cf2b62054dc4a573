"""The commands that watch a search: ``shoal status`` and ``shoal logs``."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click

from shoal.search.command.runs import Code, Outlook, RunGiven, outlook
from shoal.search.command.terminal import moving
from shoal.search.watching import printable
from shoal.slurm import wire
from shoal.slurm.errors import SlurmError
from shoal.slurm.files import opened
from shoal.slurm.jobfolder import published
from shoal.slurm.queue import GONE, UNKNOWN, Phase, Standing, commands, is_held, parse, queue

POLL_SECONDS = 5.0
"""How often ``logs -f`` looks at the files, and asks the queue once."""

NO_LIMIT = ("UNLIMITED", "NOT_SET", "INVALID", "N/A")
"""What squeue says where no time is left to tell."""

CODES = (
    "Exit code: 0 every fit is done; 1 it is over, with fits left; 3 it runs or its job waits; "
    "4 it cannot be told (SLURM does not answer); 2 there is no such search."
)

_folder = click.argument("folder", type=RunGiven(absolute=False))


@click.command(epilog=CODES)
@_folder
def status(folder: Path) -> int:
    """Show where the search of a run folder stands, and its batch job.

    What the folder says is told at once, for a search without SLURM too, and where SLURM does not
    answer.
    """
    with moving(f"looking at {folder}"):
        seen = outlook.look(folder)
    place = None if seen.job is None else folder / wire.SLURM_FOLDER / seen.job.job
    for line in (*_job_lines(seen), *_run_lines(seen, folder)):
        click.echo(line)
    if seen.job is not None and place is not None:
        for line in (*_node_lines(place, seen.job), *_life_lines(place, seen.job)):
            click.echo(line)
    begun, done, total, best = _rows(folder)
    text = f"{done:,} of {total:,} fits done{best}" if begun else "not begun"
    click.echo(f"search  {text}")
    return seen.code(whole=begun and done == total, begun=begun)


@click.command(epilog=CODES)
@_folder
@click.option("-f", "--follow", is_flag=True, help="Go on until the search is over.")
def logs(folder: Path, follow: bool) -> int:
    """Print what the search of a run folder has said: its batch job's output and errors.

    A search without SLURM has said it where it was started; of that one the errors of its fits.
    """
    seen = outlook.look(folder)
    files = list(_log_files(folder, seen))
    read = dict.fromkeys(files, 0)
    if not files:
        told = "no batch job has worked there, and no fit has failed with an error"
        click.echo(f"shoal: {folder} has no log: {told}", err=True)
    while True:
        code = seen.code(whole=_is_whole(folder), begun=_has_begun(folder))
        for file in files:
            read[file] = _show(file, read[file])
        if not follow or (code in (Code.DONE, Code.OVER) and not seen.lives):
            return code
        time.sleep(POLL_SECONDS)
        seen = outlook.look(folder)


def _job_lines(seen: Outlook) -> Iterator[str]:
    job = seen.job
    if job is None:
        if seen.silent is not None:
            yield f"job     {seen.silent}: what follows is what the folder says"
        return
    if job.state == UNKNOWN:
        yield f"job     {job.job}: {seen.silent}: what follows is what the folder says"
        return
    state = job.state.lower() if job.state != GONE else "over, and SLURM has forgotten it"
    details = [state]
    if job.phase is not Phase.OVER:
        details += [f"reason {job.reason}"] if job.reason else []
        details += [f"{job.left} left"] if job.left and job.left not in NO_LIMIT else []
    yield f"job     {job.job}: {', '.join(details)}"
    if is_held(job.state):
        yield f"        it waits until somebody types: scontrol release {job.job}"
    warning = queue.too_many_nodes(job)
    if warning is not None:
        yield f"        {warning}"


def _run_lines(seen: Outlook, folder: Path) -> Iterator[str]:
    """Who writes the folder, where SLURM does not tell."""
    if seen.job is not None and seen.job.phase in (Phase.WAITING, Phase.LIVING):
        return
    if seen.writer is None:
        return
    state = {True: "is running", False: "was killed", None: "gives no sign of life"}
    again = f"shoal run --out {shlex.quote(str(folder))} goes on"
    then = "" if seen.writer.lives or seen.job is not None else f"; {again}"
    yield f"run     {seen.writer.name} {state[seen.writer.lives]}{then}"


def _node_lines(place: Path, job: Standing) -> Iterator[str]:
    cluster = published(place, wire.CLUSTER)
    if cluster is None or job.phase not in (Phase.LIVING, Phase.UNKNOWN):
        return
    with suppress(AttributeError, KeyError, TypeError):  # not ours
        nodes = cluster[wire.NODES_KEY]
        cpus, gpus = (
            sum(have[key] for have in nodes.values()) for key in (wire.CPU_KEY, wire.GPU_KEY)
        )
        names = ", ".join(sorted(name.split()[0] for name in nodes))
        yield f"nodes   {names}: {cpus} CPUs, {gpus} GPUs"


def _life_lines(place: Path, job: Standing) -> Iterator[str]:
    life, end = published(place, wire.LIFE), published(place, wire.END)
    if life is None or not isinstance(life.get(wire.LIFE_KEY), int):
        return
    goes_on = job.phase in (Phase.LIVING, Phase.UNKNOWN)
    over = life[wire.LIFE_KEY] - goes_on  # the last life that has ended
    last = "" if over < 0 else " (last: ended without a word)"
    ended = -1 if end is None else end.get(wire.LIFE_KEY)
    if end is not None and isinstance(ended, int) and ended >= over:
        last = f" (last: {end.get(wire.WHY_KEY)}, {end.get(wire.WHEN_KEY)})"
    yield f"lives   {life[wire.LIFE_KEY] + 1}{last}"


def _rows(folder: Path) -> tuple[bool, int, int, str]:
    """Whether a search has begun, how many fits are done, of how many, and the best objective."""
    if not _has_begun(folder):
        return False, 0, 0, ""
    from shoal.search.api import load

    result = load(folder)
    row, goal = result.best_row, result.objective.name
    best = "" if row is None else f", best {goal} {row[goal]:.8g}"
    return True, result.ended, result.asked, best


def _has_begun(folder: Path) -> bool:
    if not folder.exists():
        return False
    from shoal.search.folder import reserved

    return not reserved(folder)


def _is_whole(folder: Path) -> bool:
    if not _has_begun(folder):
        return False
    from shoal.search.folder import RunFolder

    return RunFolder.open(folder).whole


def _log_files(folder: Path, seen: Outlook) -> Iterator[Path]:
    """Where a search's output and errors are: as SLURM says, else as its job has noted, else where
    ``submit`` puts them; of a search without SLURM the errors of its fits."""
    if seen.job is None:
        if (folder / "errors.log").is_file():
            yield folder / "errors.log"
        return
    job = seen.job.job
    fields: dict[str, str] = {}
    if seen.silent is None:
        with suppress(SlurmError):
            fields = parse(commands.show_job(job, outlook.ASK_SECONDS)).fields
    noted = published(folder / wire.SLURM_FOLDER / job, wire.JOB) or {}
    known = [fields.get(name) or noted.get(name) for name in wire.STREAMS]
    if not any(known):
        endings = (wire.OUTPUT_ENDING, wire.ERROR_ENDING)
        place = folder / wire.SLURM_FOLDER
        known = [str(place / wire.file_within(job, ending)) for ending in endings]
    for file in dict.fromkeys(filter(None, known)):  # 25.11 leaves one out that is the other
        yield Path(str(file).replace("%%", "%"))


def _show(file: Path, begin: int) -> int:
    """Print what is in a file from a byte on; return where it ends now."""
    try:
        with os.fdopen(opened(file), "rb") as handle:
            size = handle.seek(0, 2)
            handle.seek(begin if begin <= size else 0)  # begun anew, by a job that starts again
            click.echo(printable(handle.read().decode(errors="replace")), nl=False)
            return handle.tell()
    except OSError:
        return begin
