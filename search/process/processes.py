"""Processes, told apart also where numbers are used again: by machine, boot and beginning."""

from __future__ import annotations

import os
from pathlib import Path


def machine() -> str | None:
    """The boot of the machine and its space of process numbers; None where none can be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def began(process: int) -> str | None:
    """When a process of this machine began, in the kernel's ticks; None: there is none, or that
    cannot be told."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]
