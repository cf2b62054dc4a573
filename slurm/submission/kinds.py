"""The four kinds of batch scripts: a search, a cluster that stays up, one fit, the doctor."""

from __future__ import annotations

from shoal.slurm import wire
from shoal.slurm.submission.template import Option, Template

WARN_SECONDS = 120
"""How long before the time limit SLURM warns a search of it."""


def _named(name: str) -> tuple[Option, ...]:
    return (
        Option(f"--job-name={name}", "name in squeue"),
        Option("--account=PROJECT", "your project, where the site asks for one (remove a #)", True),
    )


def _files(output: str, error: str) -> tuple[Option, ...]:
    return (
        Option(f"--output={wire.file_beside('%j', wire.OUTPUT_ENDING)}", output),
        Option(f"--error={wire.file_beside('%j', wire.ERROR_ENDING)}", error),
    )


_LIMIT = "limit, hours:minutes:seconds"
_ERRORS = "what goes wrong"
_HOSTS = (
    Option("--nodes=1", "hosts; each gets a Ray of its own, and all are one cluster"),
    Option("--gpus-per-node=1", "GPUs of each host; one worker runs on each", True),
    Option("--cpus-per-gpu=2", "CPUs for each GPU", True),
    Option(
        "--cpus-per-task=16",
        "CPUs of each host without GPUs: one worker runs on each",
        True,
    ),
)
_APPENDED = Option("--open-mode=append", "a job that starts again adds to them")
_NO_KILL = Option("--no-kill", "a lost host does not end the job")

SEARCH = Template(
    name="search",
    options=(
        *_named("shoal"),
        Option("--time=00:30:00", _LIMIT),
        *_HOSTS,
        *_files(
            "what the search prints, in the folder you submit from",
            f"{_ERRORS}, and when nodes come and go",
        ),
        _APPENDED,
        Option("--requeue", "it may start again: it goes on from its run folder"),
        _NO_KILL,
        Option(
            f"--signal=B:USR1@{WARN_SECONDS}",
            "seconds before the limit at which it saves, and queues again",
        ),
    ),
    usage=" run --trials 100000 --out runs/big",
    role=wire.SUPERVISE,
    command='-- \\\n    python -P -m shoal "$@"',
    warned=True,
)

CLUSTER = Template(
    name="cluster",
    options=(
        *_named("shoal-cluster"),
        Option("--time=01:00:00", f"{_LIMIT}; the cluster stays up so long"),
        *_HOSTS,
        *_files(
            "in the folder you submit from",
            f"{_ERRORS}, when nodes come and go, how to use it",
        ),
        _APPENDED,
        Option("--requeue", "it may start again"),
        _NO_KILL,
    ),
    usage="      then: shoal attach JOBID -- run --trials 4096",
    role=wire.SUPERVISE,
    command="--",
)

FIT = Template(
    name="fit",
    options=(
        *_named("shoal-fit"),
        Option("--time=00:05:00", _LIMIT),
        Option("--ntasks=1", "one fit, one process"),
        Option("--gpus-per-node=1", "it fits on a GPU if it has one", True),
        *_files("the losses and the fit, in the folder you submit from", _ERRORS),
    ),
    usage=" lr=1e-6",
    role=None,
    command='-P -m shoal fit "$@"',
)

DOCTOR = Template(
    name="doctor",
    options=(
        *_named("shoal-doctor"),
        Option("--time=00:05:00", _LIMIT),
        Option("--nodes=1", "hosts; each is looked at"),
        Option("--gpus-per-node=1", "GPUs of each host", True),
        *_files("what was found, in the folder you submit from", _ERRORS),
    ),
    usage=" [--out RUN_FOLDER]",
    role=wire.DOCTOR,
    command='"$@"',
)

TEMPLATES = {each.name: each for each in (SEARCH, CLUSTER, FIT, DOCTOR)}
KINDS = tuple(TEMPLATES)
