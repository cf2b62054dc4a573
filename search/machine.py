"""The machine, and what is installed on it: cores, versions, the commit of a checkout."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PACKAGES = ("shoal", "torch", "ray", "optuna", "pandas", "pyarrow", "numpy")

SAME_NUMBERS = ("shoal", "torch", "optuna", "numpy")
"""Packages of which another version may give other rows."""


def version() -> str:
    """The version of shoal that is installed."""
    return _version("shoal")


def entry() -> dict[str, Any]:
    """Return what this process and machine are, in plain values."""
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": sys.argv,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "commit": _commit(),
        "host": platform.node(),
        "machine": platform.machine(),
        "cores": cores(),
        "slurm_job": os.environ.get("SLURM_JOB_ID") or None,
    }


def differences(earlier: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return ``name old -> new`` of the packages that differ and may change rows."""
    old, new = earlier.get("packages"), now["packages"]
    if not isinstance(old, dict):
        old = {}
    return [
        f"{name} {old.get(name)} -> {new[name]}"
        for name in SAME_NUMBERS
        if old.get(name) != new[name]
    ]


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _commit() -> str | None:
    """The commit of the checkout that this file lies in, if it lies in one."""
    here = Path(__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return None
    command = ["git", "-C", str(here), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
