"""Identifies a process although PIDs are reused: by machine, boot and start time."""

from __future__ import annotations

import os
from pathlib import Path


def machine() -> str | None:
    """Return an id of this boot and its PID namespace; None: it cannot be read."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def began(process: int) -> str | None:
    """Return when a process of this machine started, in clock ticks; None: no such process, or
    unknown."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]
