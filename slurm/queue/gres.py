"""SLURM's generic resources (GRES) on one node, as ``scontrol show job -d`` writes them.

    gpu:l40s:2(IDX:0-1)      two whole GPUs
    gpu:2080ti:1(IDX:3)      one; the type may begin with a digit
    gpu(CNT:2)               two that have no device files
    shard:4(IDX:0)           four shares of one GPU, before 23.11
    shard:4(4/8,0/8)         likewise since then: for each GPU of the node, taken/had
    mps:50(0/100,50/100)     half of one GPU, by CUDA's multi-process service

A GPU of which a job has shares is a GPU to it: SLURM lets it see the device.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

WHOLE = "gpu"
SHARED = ("shard", "mps")
"""Names of resources that are parts of GPUs."""

_ITEM = re.compile(r"([^,:()\s]+)((?::[^,:()]+)*)(?:\(([^()]*)\))?")


@dataclass(frozen=True, kw_only=True)
class Gres:
    """One resource of a node that a job has.

    Attributes:
        name: such as ``gpu`` or ``shard``.
        kind: the type, such as ``l40s``, or empty.
        count: how many of them, in its own units.
        devices: GPUs that it is on.
    """

    name: str
    kind: str
    count: int
    devices: int

    @property
    def asked(self) -> str:
        """As srun's ``--gres`` takes it."""
        return ":".join(filter(None, (self.name, self.kind, str(self.count))))


def resources(text: str) -> list[Gres]:
    """Return the resources of ``GRES=``, those of count 0 aside."""
    if text.strip() == "(null)":
        return []
    found = [_resource(*item) for item in _ITEM.findall(text)]
    return [gres for gres in found if gres.count]


def gpus(text: str) -> int:
    """Return how many GPUs a job can use on a node, whole or in part."""
    found = resources(text)
    whole = sum(gres.count for gres in found if gres.name == WHOLE)
    return whole or max((gres.devices for gres in found if gres.name in SHARED), default=0)


def shares(text: str) -> str:
    """Return what srun's ``--gres`` must ask for where a job has parts of GPUs, else nothing."""
    found = resources(text)
    if any(gres.name == WHOLE for gres in found):
        return ""
    return ",".join(gres.asked for gres in found if gres.name in SHARED)


def _resource(name: str, typed: str, inside: str) -> Gres:
    words = typed.split(":")[1:]
    devices = _devices(inside)
    count = devices or 1
    if inside.startswith("CNT:"):
        count = int(inside.removeprefix("CNT:"))
    elif words and words[-1].isdigit():
        count = int(words.pop())
    return Gres(name=name, kind=":".join(words), count=count, devices=devices or min(count, 1))


def _devices(inside: str) -> int:
    """How many devices stand in brackets; 0 where none do."""
    if inside.startswith("IDX:"):
        return count_numbers(inside.removeprefix("IDX:"))
    taken = re.findall(r"(?:^|,)(\d+)/\d+", inside)
    return sum(int(count) > 0 for count in taken)


def count_numbers(text: str) -> int:
    """Return how many numbers ``0-3,6`` names; what is cut off at its end is left out."""
    spans = re.findall(r"(?:^|,)(\d+)(?:-(\d+))?(?=,|$)", text)
    return sum(int(high or low) - int(low) + 1 for low, high in spans)
