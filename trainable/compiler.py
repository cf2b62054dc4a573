"""The C++ compiler, and what machine code depends on."""

from __future__ import annotations

import os
import platform
import shutil
from functools import cache
from pathlib import Path


def compiler() -> str | None:
    """The C++ compiler that would be used, if there is one."""
    return shutil.which(os.environ.get("CXX", "g++"))


@cache
def processor() -> str:
    """What machine code depends on: the architecture, the model and its instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    wanted = ("model name", "flags", "Features", "CPU part")
    found = dict.fromkeys(line for line in lines if line.startswith(wanted))
    return f"{platform.machine()} {' '.join(found)}"
