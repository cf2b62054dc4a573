"""A job's allocation: its nodes, and each node's CPUs, GPUs and memory.

Read from one ``scontrol show job -d``. SLURM's environment variables differ with the way of asking
(``--gres``, ``--gpus``, ``--gpus-per-task``, ``--mem-per-gpu``, ...) and are silent on uneven
nodes; this text is not.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from shoal.slurm.errors import SlurmError
from shoal.slurm.queue import gres

_SHARE = re.compile(r"^\s+Nodes=(\S+) CPU_IDs=(\S*) Mem=(\d+) GRES(?:_IDX)?=(.*)$")
_FIELD = re.compile(r"(?:^|\s)([A-Z][A-Za-z/:]*)=(\S*)")

_WORDS = (
    "Command",
    "WorkDir",
    "StdErr",
    "StdOut",
    "StdIn",
    "Comment",
    "AdminComment",
    "SystemComment",
    "Extra",
    "SubmitLine",
    "Features",
    "MailUser",
)
"""Fields that have a line to themselves and may hold spaces, and what looks like a field."""

_MAX_IDS_CHARACTERS = 127
"""Length at which scontrol truncates a node's list of CPUs (a buffer of 128)."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """The resources that a job has on one node.

    Attributes:
        cpus: logical CPUs.
        gpus: GPUs that it can use, whole or in part.
        memory_bytes: 0 where SLURM does not count memory.
        gres: what srun must ask for by ``--gres`` where it has parts of GPUs, such as ``shard:4``.
    """

    node: str
    cpus: int
    gpus: int
    memory_bytes: int
    gres: str = ""


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """The allocation of a job.

    Attributes:
        fields: every other field of ``scontrol show job``, by its name there.
    """

    job: str
    shares: tuple[Share, ...]
    fields: dict[str, str]

    @property
    def started(self) -> float:
        """When this life of the job began, in seconds since 1970."""
        return _seconds(self.fields["StartTime"]) or time.time()

    @property
    def ends(self) -> float | None:
        """When its time limit ends it, or its grace time, in seconds since 1970; None: never."""
        return _seconds(self.fields.get("EndTime", ""))

    @property
    def preempted(self) -> bool:
        """Whether SLURM is taking its nodes for another job, after a grace time."""
        return _seconds(self.fields.get("PreemptTime", "")) is not None

    @property
    def state(self) -> str:
        """The job's state, such as ``RUNNING``."""
        return self.fields.get("JobState", "UNKNOWN")

    @property
    def user(self) -> str:
        """The login name of who submitted it."""
        return self.fields.get("UserId", "").partition("(")[0]


def parse(text: str) -> Allocation:
    """Return the allocation that ``scontrol show job -d`` prints; of several, the first.

    Raises:
        SlurmError: the text is none.
    """
    fields: dict[str, str] = {}
    each: list[tuple[str, str, int, str]] = []
    for line in text.splitlines():
        if "JobId" in fields and line.startswith("JobId="):
            break  # the next task of an array, or the next part of a heterogeneous job
        share = _SHARE.match(line)
        if share is not None:
            nodes, ids, memory_mib, resources = share.groups()
            each += [(node, ids, int(memory_mib), resources) for node in expand(nodes)]
            continue
        for name, value in _named(line.strip()):
            fields.setdefault(name, value)  # what a user has named or written comes after
    if "JobId" not in fields:
        raise SlurmError(f"scontrol told nothing of a job but {text[:80]!r}")
    return Allocation(job=fields["JobId"], shares=_shares(each, fields), fields=fields)


def _named(line: str) -> list[tuple[str, str]]:
    """The fields of a line."""
    name, equals, value = line.partition("=")
    if equals and name in _WORDS:
        return [(name, value)]
    before, named, job_name = f" {line}".partition(" JobName=")
    fields: list[tuple[str, str]] = _FIELD.findall(before)
    return [*fields, ("JobName", job_name)] if named else fields


def _shares(each: list[tuple[str, str, int, str]], fields: dict[str, str]) -> tuple[Share, ...]:
    """The share of each node; its CPUs are those that SLURM counts.

    CPU_IDs has every thread of a core, also where the job uses one of them
    (``--hint=nomultithread``) and a step that asked for the others would be refused.
    """
    listed = [gres.count_numbers(ids) for _, ids, _, _ in each]
    told = fields.get("NumCPUs", "")
    total = int(told) if told.isdigit() else sum(listed)
    cut = [at for at, (_, ids, _, _) in enumerate(each) if len(ids) >= _MAX_IDS_CHARACTERS]
    for at in cut:
        rest = total - sum(count for other, count in enumerate(listed) if other not in cut)
        listed[at] = max(1, rest // len(cut))
    most = max(1, sum(listed))
    return tuple(
        Share(
            node=node,
            cpus=count if most <= total else max(1, count * total // most),
            gpus=gres.gpus(words),
            memory_bytes=memory_mib << 20,
            gres=gres.shares(words),
        )
        for (node, _, memory_mib, words), count in zip(each, listed, strict=True)
    )


def _seconds(moment: str) -> float | None:
    """SLURM's moment in seconds since 1970, or None for ``None`` and ``Unknown``."""
    try:
        return time.mktime(time.strptime(moment, "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return None


def expand(nodes: str) -> list[str]:
    """Return the host names of SLURM's list, such as ``n[1-2,07],login``."""
    names = []
    for part in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", nodes):
        names += _expand_one(part)
    return names


def _expand_one(pattern: str) -> list[str]:
    found = re.match(r"([^\[]*)\[([^\]]*)\](.*)", pattern)
    if found is None:
        return [pattern]
    before, inside, after = found.groups()
    names = []
    for item in inside.split(","):
        low, _, high = item.partition("-")
        for number in range(int(low), int(high or low) + 1):
            names += [f"{before}{number:0{len(low)}d}{rest}" for rest in _expand_one(after)]
    return names
