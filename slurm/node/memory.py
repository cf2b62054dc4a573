"""Out-of-memory kills in this cgroup: how often the limit that SLURM set has killed a process.

To Ray such a process is a worker that died, and the search tries it again, in vain.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from shoal.slurm.queue import Share

MIN_STORE_BYTES, MAX_STORE_BYTES = 80 << 20, 512 << 20
"""Bounds of Ray's object store: lanes and results are small; Ray's own minimum is 75 MiB."""

MIB = 1 << 20


def store_bytes(share: Share) -> int:
    """Return the size of Ray's object store on a node."""
    try:
        shm = shutil.disk_usage("/dev/shm").free // 2
    except OSError:
        shm = MAX_STORE_BYTES
    eighth = share.memory_bytes // 8 if share.memory_bytes else MAX_STORE_BYTES
    return max(MIN_STORE_BYTES, min(MAX_STORE_BYTES, eighth, shm))


def warning(limit_bytes: int | None) -> str:
    """Return the message to the user about a process that ran out of memory.

    Args:
        limit_bytes: None where it is not known.
    """
    size = "" if limit_bytes is None else f" ({limit_bytes // MIB} MiB)"
    return f"the job's memory limit{size} killed a process; ask for more with --mem"


class MemoryKills:
    """Counts out-of-memory kills among this process's descendants, in its own cgroup.

    A killed process counts where it was: in version 1 in its own cgroup alone, in version 2 in all
    above it too. What this process starts stays in its cgroup, so the nearest count is the whole.

    Args:
        own: the kernel's table of this process's cgroups.
        root: where cgroups are mounted.
    """

    def __init__(
        self, own: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
    ) -> None:
        self._file, self.limit_bytes = _find(own, root)
        self._before = self._count()

    def new(self) -> int:
        """Return the number of kills since the last call."""
        now = self._count()
        more, self._before = now - self._before, now
        return more

    def _count(self) -> int:
        if self._file is not None:
            with suppress(OSError, ValueError):
                for entry in self._file.read_text(encoding="ascii").splitlines():
                    name, _, value = entry.partition(" ")
                    if name == "oom_kill":
                        return int(value)
        return 0


def _find(own: Path, root: Path) -> tuple[Path | None, int | None]:
    """The file with the count, and the lowest limit, in bytes, of the enclosing cgroups."""
    try:
        entries = [line.split(":", 2) for line in own.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None, None
    for _, controllers, path in entries:
        if "memory" in controllers.split(","):
            return _walk(root / "memory", path, "memory.oom_control", "memory.limit_in_bytes")
    for number, _, path in entries:
        if number == "0":
            return _walk(root, path, "memory.events", "memory.max")
    return None, None


def _walk(root: Path, path: str, count: str, limit: str) -> tuple[Path | None, int | None]:
    """The same, from the cgroup at `path` up to the root."""
    here = root / path.lstrip("/")
    files: list[Path] = []
    limits: list[int] = []
    while here != root:
        if (here / count).exists():
            files.append(here / count)
        with suppress(OSError, ValueError):  # version 2 says "max" for none
            limits.append(int((here / limit).read_text(encoding="ascii")))
        here = here.parent
    least = min(limits, default=1 << 60)
    return (files[0] if files else None), (least if least < 1 << 60 else None)
