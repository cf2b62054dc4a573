"""What SLURM gave a job: its nodes, and each node's CPUs, GPUs and memory.

Read from one ``scontrol show job -d``. SLURM's environment variables differ with the way of asking
(``--gres``, ``--gpus``, ``--gpus-per-task``, ``--mem-per-gpu``, ...) and are silent on uneven
nodes; this text is not.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from slurm.errors import SlurmError

_SHARE = re.compile(r"^\s+Nodes=(\S+) CPU_IDs=(\S+) Mem=(\d+) GRES=(.*)$", re.MULTILINE)
_FIELD = re.compile(r"(?:^|\s)([A-Z][A-Za-z/:]*)=(\S*)")


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a job has of one node.

    Attributes:
        cpus: logical CPUs.
        memory: bytes; 0 where SLURM does not count memory.
    """

    node: str
    cpus: int
    gpus: int
    memory: int


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """What a job was given.

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
        """SLURM's word, such as ``RUNNING``."""
        return self.fields.get("JobState", "UNKNOWN")

    @property
    def user(self) -> str:
        """The login name of who submitted it."""
        return self.fields.get("UserId", "").partition("(")[0]


def parse(text: str) -> Allocation:
    """Return the allocation that ``scontrol show job -d`` prints.

    Raises:
        SlurmError: the text is none.
    """
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if _SHARE.match(line):
            continue
        name, equals, value = line.strip().partition("=")
        if equals and name in ("Command", "WorkDir", "StdErr", "StdOut", "StdIn", "Comment"):
            fields[name] = value  # may hold spaces
            continue
        fields.update(_FIELD.findall(line))
    if "JobId" not in fields:
        raise SlurmError(f"scontrol told nothing of a job but {text[:80]!r}")
    shares = []
    for nodes, ids, memory, gres in _SHARE.findall(text):
        for node in expand(nodes):
            shares.append(
                Share(node=node, cpus=_count(ids), gpus=_gpus(gres), memory=int(memory) << 20)
            )
    return Allocation(job=fields["JobId"], shares=tuple(shares), fields=fields)


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


def _count(ids: str) -> int:
    """How many numbers ``0-3,6`` names."""
    spans = [item.partition("-") for item in ids.split(",")]
    return sum(int(high or low) - int(low) + 1 for low, _, high in spans)


def _gpus(gres: str) -> int:
    """The GPUs of ``gpu:l40s:2(IDX:0-1),gpu:1(IDX:3)``."""
    plain = re.sub(r"\([^)]*\)", "", gres)
    found = 0
    for item in plain.split(","):
        words = item.strip().split(":")
        if words[0] == "gpu":
            found += int(words[-1]) if words[-1].isdigit() else 1
    return found
