"""The doctor: checks this node, or every node of a job, and says what to do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from shoal.slurm import wire
from shoal.slurm.doctor.checks import NodeContext, examine, not_shared
from shoal.slurm.doctor.findings import BAD, GOOD, WARNING, Finding, as_line, from_line
from shoal.slurm.doctor.marker import Marker
from shoal.slurm.errors import BadInput, SlurmError
from shoal.slurm.node import as_text, door, for_step, own_address
from shoal.slurm.queue import Allocation, Share, commands, on_node, parse

NODE_SECONDS = 180.0
"""Timeout of the checks of one node."""

MARK = "shoal-doctor: "


def look_here(out: Path) -> int:
    """Check this node, print a line for each check, and return 1 if a search would fail here."""
    findings = examine(NodeContext(share=None, folder=_existing(out)))
    _print(socket.gethostname(), findings)
    return int(any(f.level == BAD for f in findings))


def look_at_job(
    out: Path, prefix: Sequence[str], interface: str | None, ports: range | None
) -> int:
    """Check every node of this job, one step each; return 1 if a search would fail.

    Raises:
        BadInput: this is no batch job.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if not job:
        raise BadInput(
            f"this runs in a batch job; submit it: sbatch {wire.clone_script(wire.DOCTOR)}"
        )
    allocation = parse(commands.show_job(job))
    found: dict[str, list[Finding]] = {}
    with _door(interface, ports) as towards, Marker.laid(_existing(out)) as marker:
        options = ["--interface", interface] if interface is not None else []
        options += ["--ports", as_text(ports)] if ports is not None else []
        options += ["--towards", towards] if towards is not None else []
        options += ["--marker", str(marker.path)] if marker is not None else []
        steps = {
            share.node: _launch(share, allocation, [*prefix, *_agent(share, out, prefix), *options])
            for share in allocation.shares
        }
        for node, step in steps.items():
            found[node] = _collect(step)
            if marker is not None and _has_good_folder(found[node]) and not marker.answered(node):
                found[node].append(not_shared(node, marker.path.parent))
    for node, findings in found.items():
        _print(node, findings)
    alike = [_compare(found), *_compare_compilers(found)]
    _print(f"all {len(found)} nodes", alike)
    return int(any(f.level == BAD for findings in [*found.values(), alike] for f in findings))


def look_for_job(context: NodeContext) -> None:
    """In a step: check this node and print the findings for `look_at_job`."""
    print(f"{MARK}{as_line(examine(context))}", flush=True)


@contextmanager
def _door(interface: str | None, ports: range | None) -> Iterator[str | None]:
    """A port on this node that the others try to reach; None where there is none."""
    with ExitStack() as kept:
        towards = None
        with suppress(OSError, SlurmError):  # the check of this node tells
            towards = kept.enter_context(door(own_address(interface), ports))
        yield towards


def _agent(share: Share, out: Path, prefix: Sequence[str]) -> list[str]:
    shares = ["--gres", share.gres] if share.gres else []
    python = "python" if prefix else sys.executable  # of a container it is its own
    return [
        python,
        "-P",
        "-m",
        wire.MODULE,
        wire.EXAMINE,
        "--node",
        share.node,
        "--cpus",
        str(share.cpus),
        "--gpus",
        str(share.gpus),
        "--memory",
        str(share.memory_bytes),
        wire.OUT_OPTION,
        str(out),
        *shares,
    ]


def _launch(share: Share, allocation: Allocation, agent: Sequence[str]) -> subprocess.Popen[str]:
    options, guard = on_node(share, allocation.shares)
    step = [
        "srun",
        "--overlap",
        *options,
        "--mem=0",
        "--export=ALL",
        "--input=none",
        "--quiet",
        *guard,
    ]
    return subprocess.Popen(
        [*step, *agent],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=for_step(os.environ),
    )


def _collect(step: subprocess.Popen[str]) -> list[Finding]:
    try:
        told, errors = step.communicate(timeout=NODE_SECONDS)
    except subprocess.TimeoutExpired:
        step.kill()
        step.communicate()
        said = f"no answer in {NODE_SECONDS:.0f} s: ask the site about this node, or leave it out"
        return [Finding(check="node", level=BAD, text=f"{said} (sbatch --exclude)")]
    lines = [line for line in told.splitlines() if line.startswith(MARK)]
    if lines:
        return from_line(lines[-1].removeprefix(MARK))
    said = next(reversed(errors.strip().splitlines()), f"exit code {step.returncode}")
    text = f"nothing could be run here: {said}; does the site file activate the environment?"
    return [Finding(check="node", level=BAD, text=text)]


def _has_good_folder(findings: Sequence[Finding]) -> bool:
    return any(f.check == "run folder" and f.level != BAD for f in findings)


def _compare(found: dict[str, list[Finding]]) -> Finding:
    """Whether the versions are the same on all nodes."""
    versions: dict[str, list[str]] = {}
    for node, findings in found.items():
        told = next((f.text for f in findings if f.check == "versions"), "unknown")
        versions.setdefault(told, []).append(node)
    if len(versions) <= 1:
        return Finding(check="versions", level=GOOD, text="the same")
    each = "; ".join(f"{', '.join(nodes)}: {text}" for text, nodes in versions.items())
    return Finding(
        check="versions", level=BAD, text=f"differ: {each}: use one environment on a shared disk"
    )


def _compare_compilers(found: dict[str, list[Finding]]) -> list[Finding]:
    """A warning where the nodes have different compilers, or some have none."""
    told: dict[str, list[str]] = {}
    for node, findings in found.items():
        for one in findings:
            if one.check == "compiler":
                text = one.text.partition(", by ")[0] if one.level == GOOD else "none"
                told.setdefault(text, []).append(node)
    if len(told) <= 1:
        return []
    each = "; ".join(f"{', '.join(nodes)}: {text}" for text, nodes in told.items())
    text = f"differ: {each}: fits run compiled on the nodes that have the first node's alone"
    advice = "load one for all in the site file (module load GCC)"
    return [Finding(check="compiler", level=WARNING, text=f"{text}; {advice}")]


def _print(where: str, findings: Sequence[Finding]) -> None:
    print(where)
    for found in findings:
        print(f"  {found.level:8}{found.check:12}{found.text}")
    sys.stdout.flush()


def _existing(out: Path) -> Path:
    """`out`, or the nearest folder above it that is there."""
    path = out.absolute()
    while not path.is_dir():
        path = path.parent
    return path


def node_context(
    share: Share,
    out: Path,
    towards: str | None,
    interface: str | None,
    marker: Path | None,
    ports: range | None = None,
) -> NodeContext:
    """Return what the checks of a step are to use."""
    return NodeContext(
        share=share,
        folder=_existing(out),
        towards=towards,
        interface=interface,
        ports=ports,
        marker=None if marker is None else Marker(marker),
    )
