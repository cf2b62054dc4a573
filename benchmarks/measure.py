"""Runs whole processes and times them, start-up included."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

Measured = dict[str, Any]
"""`seconds`, and `told` (the JSON that the process printed last) or `error` (one line)."""


def timed(
    command: list[str], folder: Path, *, patience: float, environment: dict[str, str] | None = None
) -> Measured:
    """Run a process in `folder`; return its seconds and the JSON of its last line.

    Args:
        patience: seconds after which it is given up.
        environment: variables to set besides.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "SHOAL_"))}
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env={**kept, "PYTHONPATH": str(ROOT), **(environment or {})},
    )
    try:
        out, errors = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return {"seconds": patience, "error": f"not done after {patience:.0f} s"}
    seconds = time.perf_counter() - began
    if process.returncode != 0:
        lines = [line for line in errors.splitlines() if line.strip()] or ["it said nothing"]
        return {"seconds": seconds, "error": f"exit code {process.returncode}: {lines[-1]}"}
    try:
        return {"seconds": seconds, "told": json.loads(out.splitlines()[-1])}
    except (IndexError, ValueError):
        return {"seconds": seconds, "error": "its last line is no JSON"}
