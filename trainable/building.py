"""Making a library: a process compiles it beside its place, and ends with the one that waits."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import torch

from trainable.errors import CompileError

Run = Callable[[list[torch.Tensor]], Sequence[torch.Tensor]]
"""A compiled function: it takes and gives lists of tensors."""

UNUSED_SECONDS = 90 * 86400.0
"""How long a library is kept that nothing loads."""

WATCHED = 'exec 3<&0; (cat <&3 >/dev/null; kill -KILL 0) & exec "$@" 3<&- </dev/null'
"""Runs a command in a group of processes that ends when standard input does."""


class Code(Protocol):
    """What a library is made of."""

    def key(self) -> str:
        """All that the library depends on, but for the processor."""

    def command(self, folder: Path, made: Path) -> Sequence[str]:
        """Return the command that compiles it to `made`; what it needs is put into `folder`."""

    def environment(self, folder: Path) -> Mapping[str, str]:
        """Return what that command needs in its environment besides."""

    def load(self, file: Path) -> Run:
        """Return the compiled function.

        Raises:
            OSError, RuntimeError: it does not load.
        """


class Build:
    """A library that is being made."""

    def __init__(self, process: subprocess.Popen[bytes], made: Path, log: Path, file: Path) -> None:
        self._process, self._made, self._log, self._file = process, made, log, file

    @classmethod
    @contextmanager
    def begun(cls, file: Path, code: Code) -> Iterator[Build]:
        """Begin to make `file`; what is not done when this ends is given up."""
        for old in file.parent.glob(f".{file.stem}.*"):
            shutil.rmtree(old, ignore_errors=True)  # of one that was killed
        with tempfile.TemporaryDirectory(prefix=f".{file.stem}.", dir=file.parent) as temp:
            folder = Path(temp)
            made, log = folder / "made.so", folder / "log"
            with open(log, "wb") as told:
                process = subprocess.Popen(
                    ["sh", "-c", WATCHED, "sh", *code.command(folder, made)],
                    stdin=subprocess.PIPE, stdout=told, stderr=told, start_new_session=True,
                    env={**os.environ, "TMPDIR": temp, **code.environment(folder)},
                )  # fmt: skip
            assert process.stdin is not None
            try:
                yield cls(process, made, log, file)
            finally:
                process.stdin.close()
                process.wait()

    def check(self) -> None:
        """Put the library into its place once it is done.

        Raises:
            CompileError: it was not to be made.
        """
        if self._process.poll() is None:
            return
        if self._process.returncode != 0:
            lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
            why = next((line for line in reversed(lines) if line.strip()), "")
            raise CompileError(f"compiling failed ({why.strip()[:200]})")
        self._made.chmod(0o500)
        self._made.replace(self._file)
        _prune(self._file.parent)


def _prune(folder: Path) -> None:
    """Remove what has not been used for long."""
    for file in (*folder.glob("*.so"), *folder.glob("*.lock")):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > UNUSED_SECONDS:
                file.unlink()
