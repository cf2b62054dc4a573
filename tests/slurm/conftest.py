"""Stand-ins for SLURM's commands: executables on PATH that note how they were called."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Stand = Callable[..., Path]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """Put a command on PATH that does what the shell text says; return the file with its calls,
    one a line."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def stand(name: str, text: str) -> Path:
        calls = folder / f"{name}.calls"
        calls.touch()
        file = folder / name
        file.write_text(f'#!/bin/sh\necho "$@" >> "{calls}"\n{text}\n')
        file.chmod(0o755)
        return calls

    return stand
