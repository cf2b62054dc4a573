"""The checks of one node: a finding for each, with what to do about it."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from shoal.slurm import wire
from shoal.slurm.doctor import hardware
from shoal.slurm.doctor.findings import BAD, GOOD, WARNING, Finding, finding
from shoal.slurm.doctor.marker import Marker
from shoal.slurm.errors import SlurmError
from shoal.slurm.node import (
    MIN_STORE_BYTES,
    PROXIES,
    answers,
    as_text,
    claimed,
    door,
    needed,
    own_address,
    temp_parent,
)
from shoal.slurm.queue import Share

MIN_OPEN_FILES = 4096
MIN_DISK_BYTES = 1 << 30
RENAMES = 50

BELOW_TEMP_BYTES = 31
"""Usual length of the path of a job's Ray below the temp folder."""


@dataclass(frozen=True, kw_only=True)
class NodeContext:
    """The node that is checked: its share of the job, and what its checks are to use.

    Attributes:
        share: what SLURM gave of it, or None outside a job.
        folder: where run folders go.
        towards: HOST:PORT on the batch host that must answer, or None.
        interface: the network interface to use, or None to find one.
        ports: the range that Ray's ports are of, or None: any.
        marker: what the batch host has laid in `folder`, or None.
    """

    share: Share | None
    folder: Path
    towards: str | None = None
    interface: str | None = None
    ports: range | None = None
    marker: Marker | None = None


def examine(context: NodeContext, told: hardware.Told | None = None) -> list[Finding]:
    """Run all checks on this node.

    Args:
        told: what torch and the compiler have told; they are asked if absent, which takes seconds.
    """
    network: list[Callable[[NodeContext], Finding]] = [_versions, _address, _ports, _route]
    room: list[Callable[[NodeContext], Finding]] = [_shared_memory, _temp, _run_folder, _home]
    rest: list[Callable[[NodeContext], Finding]] = [_token, _proxies, _open_files]
    told = hardware.ask() if told is None else told
    return [
        *(check(context) for check in network),
        hardware.cpus(context.share),
        hardware.gpus(context.share, told),
        *(check(context) for check in [*room, *rest]),
        hardware.compiler(told),
    ]


def _versions(context: NodeContext) -> Finding:
    parts = [f"python {sys.version.split()[0]}"]
    for name in ("shoal", "ray", "optuna", "torch", "pandas"):
        try:
            parts.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            return finding(
                "versions",
                BAD,
                f"{name} is not installed: pip install -c "
                "constraints.txt . where the site file finds it",
            )
    return finding("versions", GOOD, ", ".join(parts))


def _address(context: NodeContext) -> Finding:
    try:
        own = own_address(context.interface, towards=context.towards)
    except SlurmError as error:
        return finding("address", BAD if context.share is not None else WARNING, str(error))
    name = socket.gethostname()
    try:
        resolved = socket.gethostbyname(name)
    except OSError:
        resolved = "nothing"
    note = "" if resolved == own else f" (its name resolves to {resolved}, which is not used)"
    return finding("address", GOOD, f"{own}{note}")


def _ports(context: NodeContext) -> Finding:
    where = "" if context.ports is None else f" of {wire.PORTS_VARIABLE}={as_text(context.ports)}"
    try:
        own = own_address(context.interface, towards=context.towards)
        with door(own, context.ports) as here:
            if not answers(here):
                advice = "name those that the site leaves open, as in "
                advice += f"{wire.PORTS_VARIABLE}=20000-20999"
                text = f"{here} is open but does not answer: a firewall here; {advice}"
                return finding("ports", BAD, text)
        if context.ports is not None and context.share is not None:
            least = needed(max(context.share.cpus, context.share.gpus), head=True)
            with claimed(context.ports, least, least):
                where += f", {least} are needed"
    except (OSError, SlurmError) as error:
        return finding("ports", BAD if context.share is not None else WARNING, str(error))
    return finding("ports", GOOD, f"free ones{where}, such as {here}")


def _route(context: NodeContext) -> Finding:
    if context.towards is None:
        return finding("route", GOOD, "one node: none is needed")
    if answers(context.towards):
        return finding("route", GOOD, f"the head's node answers at {context.towards}")
    return finding(
        "route",
        BAD,
        f"the head's node does not answer at {context.towards}: name the "
        f"nodes' common network in the site file, as in {wire.INTERFACE_VARIABLE}=ib0",
    )


def _shared_memory(context: NodeContext) -> Finding:
    try:
        free = shutil.disk_usage("/dev/shm").free
    except OSError as error:
        return finding("/dev/shm", BAD, f"cannot be read: {error.strerror}; Ray needs it")
    text = f"{free >> 20} MiB free"
    if free < MIN_STORE_BYTES:
        return finding(
            "/dev/shm",
            BAD,
            f"{text}, {MIN_STORE_BYTES >> 20} are needed: remove what "
            "earlier jobs left there, or ask for another node",
        )
    return finding("/dev/shm", GOOD, text)


def _temp(context: NodeContext) -> Finding:
    default = Path(tempfile.gettempdir())
    asked = os.environ.get("TMPDIR", "")
    if asked and not os.access(asked, os.W_OK):
        return finding(
            "temp folder", WARNING, f"TMPDIR {asked} cannot be written: {default} is used"
        )
    parent = temp_parent(BELOW_TEMP_BYTES)
    note = ""
    if parent != default:
        note = f" (TMPDIR is too long for sockets: {len(asked)} characters)"
    if not os.access(parent, os.W_OK):
        return finding(
            "temp folder",
            BAD,
            f"{parent} cannot be written: set TMPDIR to a folder on the node's own disk",
        )
    free = shutil.disk_usage(parent).free
    level = GOOD if free > MIN_DISK_BYTES else WARNING
    return finding("temp folder", level, f"{parent}, {free >> 20} MiB free{note}")


def _run_folder(context: NodeContext) -> Finding:
    """The node shares the batch host's run folder, and replacing a file by rename is atomic."""
    if (
        context.marker is not None
        and context.share is not None
        and not context.marker.answer(context.share.node)
    ):
        return not_shared(context.share.node, context.marker.path.parent)
    try:
        with tempfile.TemporaryDirectory(prefix=".shoal-doctor-", dir=context.folder) as name:
            target = Path(name, "target")
            for number in range(RENAMES):
                beside = Path(name, "beside")
                beside.write_text(f"{number:08d}")
                beside.replace(target)
                if target.read_text() != f"{number:08d}":
                    return finding(
                        "run folder",
                        BAD,
                        f"a rename in {context.folder} is not seen at "
                        "once: choose another disk with --out",
                    )
    except OSError as error:
        return finding(
            "run folder",
            BAD,
            f"{context.folder}: {error.strerror}; give an --out on a "
            "disk that all nodes see and may write",
        )
    free = shutil.disk_usage(context.folder).free
    level = GOOD if free > MIN_DISK_BYTES else WARNING
    return finding(
        "run folder", level, f"{context.folder}, written and renamed, {free >> 20} MiB free"
    )


def not_shared(node: str, folder: Path) -> Finding:
    """The finding where a node does not share the batch host's file system at `folder`."""
    return finding(
        "run folder",
        BAD,
        f"{node} does not see {folder}: give an --out on a disk that all nodes share",
    )


def _home(context: NodeContext) -> Finding:
    home = Path(os.environ.get("HOME", "/nonexistent")).resolve()
    if context.folder.resolve().is_relative_to(home) and home != Path("/"):
        text = f"run folders lie in {home}, where quotas are small on many sites (quota -s)"
        return finding("home", WARNING, f"{text}: choose the project's storage with --out")
    return finding("home", GOOD, "run folders lie elsewhere")


def _token(context: NodeContext) -> Finding:
    file = Path(os.environ.get("HOME", "/nonexistent"), ".ray", "auth_token")
    names = [
        n for n in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE") if os.environ.get(n)
    ]
    with suppress(OSError):
        if file.exists():
            names.append(str(file))
    if names:
        return finding(
            "token",
            GOOD,
            f"{', '.join(names)} is there, and not used: each job has a token of its own",
        )
    return finding("token", GOOD, "none of yours in the way")


def _proxies(context: NodeContext) -> Finding:
    names = sorted(name for name in os.environ if name.lower() in PROXIES)
    return finding("proxies", GOOD, f"{', '.join(names)}: kept from Ray" if names else "none")


def _open_files(context: NodeContext) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= MIN_OPEN_FILES:
        return finding("open files", GOOD, f"{soft} allowed")
    return finding(
        "open files",
        WARNING,
        f"{soft} allowed: put ulimit -n {max(MIN_OPEN_FILES, hard)} into the site file",
    )
