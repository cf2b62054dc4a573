"""The machine and the versions that figures were measured with."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "ray", "optuna", "numpy", "pandas", "pyarrow")


def machine() -> dict[str, Any]:
    """What stands at the head of the table."""
    load = os.getloadavg()[0]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": _processor(),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": platform.platform(terse=True),
        "load_before": round(load, 2),
        "commit": _commit(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def instructions() -> str:
    """The vector instructions that torch uses here: ATEN_CPU_CAPABILITY=avx2 limits it."""
    import torch

    named = {"AVX512": "AVX-512", "AVX2": "AVX2"}
    return named.get(torch.backends.cpu.get_cpu_capability(), platform.machine())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.processor()


def _commit() -> str:
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return told.stdout.strip()


def version_in(python: str, package: str) -> str:
    """The version of a package in another environment."""
    ask = f"import importlib.metadata as m; print(m.version({package!r}))"
    told = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    return told.stdout.strip()
