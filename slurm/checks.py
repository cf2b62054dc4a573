"""What the doctor looks at on one node: a line for each, with what to do about it."""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from slurm.addresses import answers, own_address
from slurm.allocation import Share
from slurm.compiler import compiler
from slurm.errors import SlurmError
from slurm.marker import Marker
from slurm.temp import LONGEST_TEMP
from slurm.variables import PROXIES

LEAST_STORE = 80 << 20
"""Bytes of shared memory that Ray's object store needs."""

LEAST_FILES = 4096
LEAST_DISK = 1 << 30
RENAMES = 50

GOOD, WARNING, BAD = "ok", "warning", "bad"

_CUDA = """
import json, torch
names, missing = [], []
for index in range(torch.cuda.device_count()):
    names.append(torch.cuda.get_device_name(index))
    try:
        torch.ones(2, device=f"cuda:{index}").sum().item()
    except Exception as error:
        missing.append(str(error).splitlines()[0])
print(json.dumps({"build": torch.version.cuda, "names": names, "missing": missing}))
"""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes:
        level: ``ok``, ``warning`` (works, but look) or ``bad`` (a search will not work).
        text: what is so, and what to do about it.
    """

    check: str
    level: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Bed:
    """What is known of a node before it is looked at.

    Attributes:
        share: what SLURM gave of it, or None outside a job.
        folder: where run folders go.
        towards: HOST:PORT on the batch host that must answer, or None.
        interface: the network interface to use, or None to find one.
        marker: what the batch host has laid in `folder`, or None.
    """

    share: Share | None
    folder: Path
    towards: str | None = None
    interface: str | None = None
    marker: Marker | None = None


def examine(bed: Bed) -> list[Finding]:
    """Look at this node."""
    checks: list[Callable[[Bed], Finding]] = [
        _versions, _address, _ports, _route, _cpus, _gpus, _shared_memory, _temp, _run_folder,
        _home, _token, _proxies, _open_files, _compiler,
    ]  # fmt: skip
    return [check(bed) for check in checks]


def as_line(findings: list[Finding]) -> str:
    """Findings as one line of JSON, for another process."""
    return json.dumps([asdict(finding) for finding in findings])


def from_line(line: str) -> list[Finding]:
    """The findings of `as_line`."""
    return [Finding(**values) for values in json.loads(line)]


def _found(check: str, level: str, text: str) -> Finding:
    return Finding(check=check, level=level, text=" ".join(text.split()))


def _versions(bed: Bed) -> Finding:
    parts = [f"python {sys.version.split()[0]}"]
    for name in ("shoal", "ray", "optuna", "torch", "pandas"):
        try:
            parts.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            return _found("versions", BAD, f"{name} is not installed: pip install -c "
                          "constraints.txt . where the site file finds it")  # fmt: skip
    return _found("versions", GOOD, ", ".join(parts))


def _address(bed: Bed) -> Finding:
    try:
        own = own_address(bed.interface, towards=bed.towards)
    except SlurmError as error:
        return _found("address", BAD if bed.share is not None else WARNING, str(error))
    name = socket.gethostname()
    try:
        resolved = socket.gethostbyname(name)
    except OSError:
        resolved = "nothing"
    note = "" if resolved == own else f" (its name resolves to {resolved}, which is not used)"
    return _found("address", GOOD, f"{own}{note}")


def _ports(bed: Bed) -> Finding:
    try:
        own = own_address(bed.interface, towards=bed.towards)
        with socket.socket() as one, socket.socket() as two:
            for probe in (one, two):
                probe.bind((own, 0))
                probe.listen()
            ports = [probe.getsockname()[1] for probe in (one, two)]
            if not answers(f"{own}:{ports[0]}"):
                return _found("ports", BAD, f"port {ports[0]} is open but does not answer: a "
                              "firewall here; ask the site to open it between nodes")  # fmt: skip
    except (OSError, SlurmError) as error:
        return _found("ports", BAD if bed.share is not None else WARNING, f"none free: {error}")
    return _found("ports", GOOD, f"free ones open, such as {ports[0]} and {ports[1]}")


def _route(bed: Bed) -> Finding:
    if bed.towards is None:
        return _found("route", GOOD, "one node: none is needed")
    if answers(bed.towards):
        return _found("route", GOOD, f"the head's node answers at {bed.towards}")
    return _found("route", BAD, f"the head's node does not answer at {bed.towards}: name the "
                  "nodes' common network in the site file, as in SHOAL_INTERFACE=ib0")  # fmt: skip


def _cpus(bed: Bed) -> Finding:
    bound = len(os.sched_getaffinity(0))
    if bed.share is None:
        return _found("CPUs", GOOD, f"{bound} to use of {os.cpu_count()}")
    if bound < bed.share.cpus:
        return _found("CPUs", WARNING, f"bound to {bound} of the {bed.share.cpus} that SLURM "
                      "counts: ask with --cpus-per-task, not --ntasks")  # fmt: skip
    return _found("CPUs", GOOD, f"{bed.share.cpus} of SLURM's counting, bound to {bound}")


def _gpus(bed: Bed) -> Finding:
    asked = bed.share.gpus if bed.share is not None else None
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _CUDA], capture_output=True, text=True, timeout=120,
            check=True,
        )  # fmt: skip
        told = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        return _found("GPUs", BAD, f"torch does not start: {said[-1] if said else error}")
    names, build = told["names"], told["build"]
    if told["missing"]:
        return _found("GPUs", BAD, f"torch (CUDA {build}) cannot use {names[0]}: "
                      f"{told['missing'][0]}; install a build of torch that has it")  # fmt: skip
    have = f"torch sees {len(names)} ({', '.join(sorted(set(names)))})" if names else ""
    if asked and not names:
        why = "torch is a build without CUDA" if build is None else "the driver is out of reach"
        return _found("GPUs", WARNING, f"SLURM gave {asked}, torch finds no CUDA ({why}): fits "
                      "run on the CPU")  # fmt: skip
    if asked is not None and asked != len(names):
        return _found("GPUs", WARNING, f"SLURM gave {asked}, {have or 'torch sees none'}: ask with "
                      "--gpus-per-node, and look at CUDA_VISIBLE_DEVICES")  # fmt: skip
    return _found("GPUs", GOOD, have or "none asked, none seen: fits run on the CPU")


def _shared_memory(bed: Bed) -> Finding:
    try:
        free = shutil.disk_usage("/dev/shm").free
    except OSError as error:
        return _found("/dev/shm", BAD, f"cannot be read: {error.strerror}; Ray needs it")
    text = f"{free >> 20} MiB free"
    if free < LEAST_STORE:
        return _found("/dev/shm", BAD, f"{text}, {LEAST_STORE >> 20} are needed: remove what "
                      "earlier jobs left there, or ask for another node")  # fmt: skip
    return _found("/dev/shm", GOOD, text)


def _temp(bed: Bed) -> Finding:
    parent = Path(tempfile.gettempdir())
    asked = os.environ.get("TMPDIR", "")
    if asked and not os.access(asked, os.W_OK):
        return _found("temp folder", WARNING, f"TMPDIR {asked} cannot be written: {parent} is used")
    if len(os.fsencode(parent)) + 31 > LONGEST_TEMP:
        parent = Path("/tmp")
        note = f" (TMPDIR is too long for sockets: {len(asked)} characters)"
    else:
        note = ""
    if not os.access(parent, os.W_OK):
        return _found("temp folder", BAD, f"{parent} cannot be written: set TMPDIR to a folder on "
                      "the node's own disk")  # fmt: skip
    free = shutil.disk_usage(parent).free
    level = GOOD if free > LEAST_DISK else WARNING
    return _found("temp folder", level, f"{parent}, {free >> 20} MiB free{note}")


def _run_folder(bed: Bed) -> Finding:
    """It is the batch host's own, and files replaced by rename are whole at every moment."""
    if bed.marker is not None and bed.share is not None and not bed.marker.answer(bed.share.node):
        return not_shared(bed.share.node, bed.marker.path.parent)
    try:
        with tempfile.TemporaryDirectory(prefix=".shoal-doctor-", dir=bed.folder) as name:
            target = Path(name, "target")
            for number in range(RENAMES):
                beside = Path(name, "beside")
                beside.write_text(f"{number:08d}")
                beside.replace(target)
                if target.read_text() != f"{number:08d}":
                    return _found("run folder", BAD, f"a rename in {bed.folder} is not seen at "
                                  "once: choose another disk with --out")  # fmt: skip
    except OSError as error:
        return _found("run folder", BAD, f"{bed.folder}: {error.strerror}; give an --out on a "
                      "disk that all nodes see and may write")  # fmt: skip
    free = shutil.disk_usage(bed.folder).free
    level = GOOD if free > LEAST_DISK else WARNING
    return _found("run folder", level, f"{bed.folder}, written and renamed, {free >> 20} MiB free")


def not_shared(node: str, folder: Path) -> Finding:
    """What is found where a node has another disk than the batch host at `folder`."""
    return _found("run folder", BAD, f"{node} does not see {folder}: give an --out on a disk that "
                  "all nodes share")  # fmt: skip


def _home(bed: Bed) -> Finding:
    home = Path(os.environ.get("HOME", "/nonexistent")).resolve()
    if bed.folder.resolve().is_relative_to(home) and home != Path("/"):
        return _found("home", WARNING, f"run folders lie in {home}, where quotas are small on many "
                      "sites (quota -s): choose the project's storage with --out")  # fmt: skip
    return _found("home", GOOD, "run folders lie elsewhere")


def _token(bed: Bed) -> Finding:
    file = Path(os.environ.get("HOME", "/nonexistent"), ".ray", "auth_token")
    names = [
        n for n in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE") if os.environ.get(n)
    ]
    with suppress(OSError):
        if file.exists():
            names.append(str(file))
    if names:
        return _found("token", GOOD, f"{', '.join(names)} is there, and not used: each job has a "
                      "token of its own")  # fmt: skip
    return _found("token", GOOD, "none of yours in the way")


def _proxies(bed: Bed) -> Finding:
    names = sorted(name for name in os.environ if name.lower() in PROXIES)
    return _found("proxies", GOOD, f"{', '.join(names)}: kept from Ray" if names else "none")


def _open_files(bed: Bed) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= LEAST_FILES:
        return _found("open files", GOOD, f"{soft} allowed")
    return _found("open files", WARNING, f"{soft} allowed: put ulimit -n {max(LEAST_FILES, hard)} "
                  "into the site file")  # fmt: skip


def _compiler(bed: Bed) -> Finding:
    words = compiler()
    if words:
        return _found("compiler", GOOD, f"{shlex.join(words)}, for fits as machine code")
    return _found("compiler", WARNING, "no C++ compiler ($CXX, else g++, c++ or clang++): fits run "
                  "uncompiled; load a module that has one (module load GCC)")  # fmt: skip
