"""Variables that make GPUs visible to a process: as SLURM sets them, as Ray and torch read them.

    CUDA_VISIBLE_DEVICES=0,1            NVIDIA
    CUDA_VISIBLE_DEVICES=MIG-a,MIG-b    parts of one (MIG); a process sees the first of them alone
    ROCR_VISIBLE_DEVICES=0,1            AMD, as SLURM sets it; Ray refuses to run with it
    HIP_VISIBLE_DEVICES=0,1             AMD, as Ray sets it for each worker

Where the site's gres.conf does not detect GPUs by itself SLURM sets the variables of all makers.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

CUDA, HIP, ROCR = "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"


def translated(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return the changes to an environment in which Ray can run; None: the variable is removed.

    What ROCR_VISIBLE_DEVICES lets through is numbered anew from 0, and HIP_VISIBLE_DEVICES picks
    from that: both with SLURM's numbers would leave nothing, so one takes the place of the other.
    Where the user has set both they know why.
    """
    if ROCR not in environment or HIP in environment:
        return {}
    return {HIP: environment[ROCR], ROCR: None}


def translate(environment: MutableMapping[str, str]) -> None:
    """Apply `translated` to an environment."""
    for name, value in translated(environment).items():
        if value is None:
            del environment[name]
        else:
            environment[name] = value


def visible(environment: Mapping[str, str]) -> list[str] | None:
    """Return the GPUs that are visible to a process; None: all."""
    for name in (CUDA, HIP, ROCR):
        if name in environment:
            told = environment[name].strip()
            return [] if told in ("", "-1", "NoDevFiles") else told.split(",")
    return None


def are_parts(names: list[str]) -> bool:
    """Whether the devices are MIG instances, of which a process sees one."""
    return any(name.startswith("MIG-") for name in names)
