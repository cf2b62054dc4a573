"""Checks of one node's hardware and compiler: CPUs, GPUs, C++.

Torch and the compiler are asked by the very functions that a search asks, in a process of their
own: what is found here is what a search would find.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from shoal.slurm.doctor.findings import BAD, GOOD, WARNING, Finding, finding
from shoal.slurm.node import are_parts, visible
from shoal.slurm.queue import Share

SECONDS = 150.0
"""Timeout of the process that asks torch and the compiler: a cold network disk is slow."""

ASK = "shoal.trainable.hosts.report"
"""The module that tells: it is run, and never imported, since this package knows no torch."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What torch and the compiler report of this node.

    Attributes:
        build: the version of CUDA or ROCm that torch is built for, or None: for CPUs alone.
        names: GPUs that torch sees.
        missing: for each that torch cannot use, why.
        called, compiler: the C++ compiler as a shell calls it, and which one it is.
        why: why nothing can be compiled, or None.
        broken: why torch does not start, or None.
    """

    build: str | None = None
    names: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    called: str | None = None
    compiler: str | None = None
    why: str | None = None
    broken: str | None = None


def ask() -> Told:
    """Ask torch and the compiler, in another process."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", ASK],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        return Told(broken=str(said[-1] if said else error))
    return Told(**told)


def cpus(share: Share | None) -> Finding:
    """Whether the CPUs suffice for the GPUs, and whether the process is bound to all of them."""
    bound = len(os.sched_getaffinity(0))
    if share is None:
        return finding("CPUs", GOOD, f"{bound} to use of {os.cpu_count()}")
    if bound < share.cpus:
        return finding(
            "CPUs",
            WARNING,
            f"bound to {bound} of the {share.cpus} that SLURM counts: ask with --cpus-per-task, "
            "not --ntasks",
        )
    if share.cpus < (share.gpus + 1 if share.gpus else 2):
        text = f"{share.cpus} of SLURM's counting, fits run on one at a time; ask with "
        text += "--cpus-per-task=16, or as many as you want"
        if share.gpus:
            text = (
                f"{share.cpus} of SLURM's counting for {share.gpus} GPUs: a search takes one for "
            )
            text += "each GPU, and one more; ask with --cpus-per-gpu=2"
        return finding("CPUs", WARNING, text)
    return finding("CPUs", GOOD, f"{share.cpus} of SLURM's counting, bound to {bound}")


def gpus(share: Share | None, told: Told) -> Finding:
    """Whether torch sees and can use the GPUs that SLURM gave."""
    if told.broken is not None:
        return finding("GPUs", BAD, f"torch does not start: {told.broken}")
    asked = share.gpus if share is not None else None
    names = told.names
    if told.missing:
        text = f"torch (built for {told.build}) cannot use {names[0]}: {told.missing[0]}"
        return finding("GPUs", BAD, f"{text}; install a build of torch that has it")
    have = f"torch sees {len(names)} ({', '.join(sorted(set(names)))})" if names else ""
    if share is not None and share.gres and have:
        have += f", parts of them by {share.gres}: other jobs use them too"
    if asked and not names:
        why = "the driver is out of reach"
        if told.build is None:
            why = "torch is a build for CPUs alone"
        return finding(
            "GPUs", WARNING, f"SLURM gave {asked}, torch finds no GPU ({why}): fits run on the CPU"
        )
    parts = visible(os.environ) or []
    if names and are_parts(parts):  # a process sees one part; each worker gets another
        have = f"{len(parts)} parts of GPUs (MIG), a worker each; {have}"
        names = parts
    if asked is not None and asked != len(names):
        text = f"SLURM gave {asked}, {have or 'torch sees none'}"
        return finding(
            "GPUs", WARNING, f"{text}: ask with --gpus-per-node, and look at CUDA_VISIBLE_DEVICES"
        )
    return finding("GPUs", GOOD, have or "none asked, none seen: fits run on the CPU")


def compiler(told: Told) -> Finding:
    """Whether fits can be compiled here."""
    if told.broken is not None:
        return finding("compiler", WARNING, "not known, since torch does not start")
    if told.why is None:
        text = f"{told.compiler}, by {told.called}, for fits as machine code"
        return finding("compiler", GOOD, text)
    text = f"{told.why}: fits run uncompiled; load a module that has one (module load GCC)"
    return finding("compiler", WARNING, text)
