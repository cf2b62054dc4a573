"""The command line's batch jobs: submit, script, attach, cancel, doctor."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from shoal.search.request import PathGiven
from shoal.slurm import wire
from shoal.slurm.errors import BadInput
from shoal.slurm.jobfolder import named_out
from shoal.slurm.queue import MARK, commands, has_mark, is_over, queue
from shoal.slurm.submission import KINDS, Submission, is_array, script

_folder = click.argument("folder", type=PathGiven(absolute=False))
_site = click.option("--site", default="plain", help="Name or path of a site file.  [plain]")
_words = click.argument("words", nargs=-1, type=click.UNPROCESSED)


@click.command(context_settings={"ignore_unknown_options": False})
@click.option("--nodes", type=click.IntRange(min=1), default=1, help="Hosts.  [1]")
@click.option("--gpus", help="GPUs of all hosts together, as in 4 or l40s:4.")
@click.option("--gpus-per-node", help="GPUs of each host, as in 2 or l40s:2.")
@click.option(
    "--cpus-per-task", type=click.IntRange(min=1), help="CPUs of each host: one a GPU and one more."
)
@click.option("--mem", help="Memory of each host, as in 8G.")
@click.option("--time", "limit", default="00:30:00", help="Time limit.  [00:30:00]")
@click.option("-A", "--account", help="The project that pays.")
@click.option("-p", "--partition", help="The queue.")
@click.option("-C", "--constraint", help="Kind of host or GPU, in the site's words.")
@click.option("--sbatch", "more", multiple=True, metavar="FLAG", help="Any other flag of sbatch.")
@click.option("--dry-run", is_flag=True, help="Print the script and the sbatch command.")
@_site
@_words
def submit(
    nodes: int,
    gpus: str | None,
    gpus_per_node: str | None,
    cpus_per_task: int | None,
    mem: str | None,
    limit: str,
    account: str | None,
    partition: str | None,
    constraint: str | None,
    more: tuple[str, ...],
    dry_run: bool,
    site: str,
    words: tuple[str, ...],
) -> None:
    """Submit a search, a fit, a cluster or the doctor as a batch job. Of an array
    (--sbatch=--array=0-9), {task} in --out and --seed is the task's number.

    For example:
    shoal submit --nodes 3 --gpus-per-node 2 --cpus-per-task 4 -A PROJECT -- run --trials 100000
    """
    given = {
        "nodes": nodes,
        "gpus": gpus,
        "gpus-per-node": gpus_per_node,
        "cpus-per-task": cpus_per_task,
        "mem": mem,
        "time": limit,
        "account": account,
        "partition": partition,
        "constraint": constraint,
    }
    flags = [f"--{name}={value}" for name, value in given.items() if value is not None]
    kind = {"run": "search"}.get(words[0], words[0]) if words else ""
    if kind not in KINDS or (words[0] == "search"):
        raise BadInput(
            "say run, fit, cluster or doctor after --, as in: "
            "shoal submit --nodes 2 -- run --trials 4096"
        )
    out = named_out(words) if kind in ("search", "doctor") else None
    if kind != "search":
        words = words[1:]
    if kind == "doctor":
        out = Path("runs", "doctor") if out is None else out
    if kind == "search" and out is None:
        each = f"-{MARK}" if is_array(more) else ""
        out = Path("runs", f"search-{time.strftime('%Y%m%d-%H%M%S')}{each}")
        words = (*words, wire.OUT_OPTION, str(out))
    if has_mark(words) and not is_array(more):
        raise BadInput(
            f"{MARK} is the number of an array's task: submit one by --sbatch=--array=0-9"
        )
    text = script(kind, site, words, sys.executable)
    job = Submission(text=text, flags=(*flags, *more), out=out)
    if dry_run:
        click.echo(job.explained(), nl=False)
        return
    commands.require("sbatch", "search on this machine: shoal run")
    number = job.submit()
    if out is None:
        output, error = (
            wire.file_beside(number, ending) for ending in (wire.OUTPUT_ENDING, wire.ERROR_ENDING)
        )
        click.echo(f"job {number} submitted; it writes {output} and {error}")
        if kind == "cluster":
            click.echo(f"once it runs: shoal attach {number} -- run --trials 4096")
    else:
        click.echo(f"job {number} submitted; run folder {out}")
        click.echo(f"watch it: shoal status {out}; shoal logs {out} -f; shoal cancel {out}")
    warning = queue.too_many_nodes(queue.standing(number))
    if warning is not None:
        click.echo(f"shoal: job {number}: {warning}", err=True)


@click.command()
@click.option(
    wire.OUT_OPTION, type=PathGiven(absolute=False), default="runs", help="Run folder.  [runs]"
)
def doctor(out: Path) -> int:
    """Look at this node: a line for each thing that a search needs, with what to do about it.

    For every node of an allocation: shoal submit --nodes 3 -- doctor; then shoal logs.
    """
    from shoal.slurm.doctor import look_here

    return look_here(out)


@click.command("script")
@click.argument("kind", type=click.Choice(KINDS))
@_site
def print_script(kind: str, site: str) -> None:
    """Print a batch script to edit; it needs no clone: shoal script search > my.sbatch."""
    click.echo(script(kind, site, python=sys.executable), nl=False)


@click.command()
@click.argument("job")
@_words
def attach(job: str, words: tuple[str, ...]) -> int:
    """Run a search on the cluster of JOB, as slurm/cluster.sbatch starts it.

    For example: shoal attach 4711 -- run --trials 4096
    """
    from shoal.slurm.cluster import attach

    commands.require("srun", "search on this machine: shoal run")
    if not words:
        raise BadInput("say what to run after --, as in: shoal attach JOBID -- run --trials 4096")
    return attach(job, [sys.executable, "-P", "-m", "shoal", *words])


@click.command()
@_folder
def cancel(folder: Path) -> None:
    """End the batch job of a run folder; what is done stays."""
    commands.require("scancel", "press Ctrl-C where the search runs")
    now = queue.of_folder(folder)
    job, state = now.job, now.state
    if is_over(state):
        raise BadInput(f"job {job} of {folder} is over ({state.lower()}); there is nothing to end")
    commands.cancel(job)
    click.echo(f"job {job} is cancelled; submit again with --out {folder} to go on")


COMMANDS = (submit, print_script, attach, cancel, doctor)
