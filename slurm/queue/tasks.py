"""Arrays and jobs of several parts: which job this process belongs to, and which task of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from shoal.slurm import wire
from shoal.slurm.errors import BadInput

MARK = "{task}"
"""Stands for the task's number in ``--out`` and ``--seed``."""

NUMBERED = (wire.OUT_OPTION, wire.SEED_OPTION)
"""Options in which it may stand."""

SEARCH_SCRIPT = wire.clone_script("search")

ID = re.compile(r"\d+(_\d+)?")
"""A job's id, or one task's of an array."""


def own_job(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the number of the job that this process runs in, and the id to ask SLURM by: of a task
    of an array ``ID_TASK``, since the plain id would mean its siblings too.

    Raises:
        BadInput: it runs in none, or in one of several parts.
    """
    number = environment.get("SLURM_JOB_ID")
    if not number:
        raise BadInput(f"this runs in a batch job; submit it: sbatch {SEARCH_SCRIPT} run ...")
    if any(environment.get(name) for name in ("SLURM_HET_SIZE", "SLURM_PACK_SIZE")):
        raise BadInput(
            f"job {number} is heterogeneous: it has several allocations, and a search needs one; "
            "ask for nodes of one kind, without : or #SBATCH hetjob, or submit a job for each"
        )
    task = environment.get("SLURM_ARRAY_TASK_ID")
    return number, f"{environment['SLURM_ARRAY_JOB_ID']}_{task}" if task else number


def filled(value: str, environment: Mapping[str, str]) -> str:
    """Return a value with the task's number in the place of each ``{task}``.

    Raises:
        BadInput: there is one, and this is no task of an array.
    """
    if MARK not in value:
        return value
    task = environment.get("SLURM_ARRAY_TASK_ID")
    if not task:
        raise BadInput(
            f"{MARK} in {value} is the number of a task, and this is no array job; submit one: "
            f"sbatch --array=0-9 {SEARCH_SCRIPT} run ..."
        )
    return value.replace(MARK, task)


def filled_words(words: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return a command with the task's number in its ``--out`` and ``--seed``.

    Raises:
        BadInput: it has a ``{task}`` there, and this is no task of an array.
    """
    done: list[str] = []
    for word in words:
        after = bool(done) and done[-1] in NUMBERED
        named = word.startswith(tuple(f"{option}=" for option in NUMBERED))
        done.append(filled(word, environment) if after or named else word)
    return done


def has_mark(words: Sequence[str]) -> bool:
    """Whether a command has a ``{task}`` in ``--out`` or ``--seed``."""
    return filled_words(words, {"SLURM_ARRAY_TASK_ID": "0"}) != list(words)


def order(job: str) -> tuple[int, ...]:
    """The numbers of an id, to sort by."""
    return tuple(int(number) for number in re.findall(r"\d+", job))


def task_in(job: str, pattern: str, path: str) -> str | None:
    """Return the id of the task whose folder is `path`, or None.

    Args:
        job: as the queue has it: an id, a task's, or those that wait, as in ``19_[0-3]``.
        pattern: the folder of each, with ``{task}``, or of the job.
    """
    if MARK not in pattern:
        return job if pattern == path else None
    first, *rest = (re.escape(part) for part in pattern.split(MARK))
    found = re.fullmatch(rf"{first}(\d+)" + r"(?:\1)".join(rest), path)
    base, _, task = job.partition("_")
    if found is None or (task.isdigit() and task != found[1]):
        return None
    return f"{base}_{found[1]}"
