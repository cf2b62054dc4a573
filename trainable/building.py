"""Making a library: a process compiles it beside its place, and ends with the one that waits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from torch.fx import GraphModule

from trainable.errors import CompileError

Shapes = list[tuple[tuple[int, ...], str]]
"""Of tensors, each with the name of its dtype."""

UNUSED_SECONDS = 90 * 86400.0
"""How long a library is kept that nothing loads."""


class Build:
    """A library that is being made."""

    def __init__(self, process: subprocess.Popen[bytes], made: Path, log: Path, file: Path) -> None:
        self._process, self._made, self._log, self._file = process, made, log, file

    @classmethod
    @contextmanager
    def begun(cls, file: Path, graph: GraphModule, shapes: Shapes) -> Iterator[Build]:
        """Begin to make `file` of a traced function; what is not done when this ends is given up.

        Args:
            shapes: of its arguments, each with its dtype.
        """
        for old in file.parent.glob(f".{file.stem}.*"):
            shutil.rmtree(old, ignore_errors=True)  # of one that was killed
        with tempfile.TemporaryDirectory(prefix=f".{file.stem}.", dir=file.parent) as temp:
            made, log, constants = (Path(temp, name) for name in ("made.so", "log", "constants.pt"))
            torch.save(dict(graph.named_buffers()), constants)
            content = {
                "code": graph.code,
                "shapes": shapes,
                "constants": str(constants),
                "made": str(made),
            }
            environment = {
                **os.environ,
                "TMPDIR": temp,
                "TORCHINDUCTOR_CACHE_DIR": str(Path(temp, "inductor")),
                "TORCHINDUCTOR_COMPILE_THREADS": "1",  # no pool of processes
                "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0",  # twice the time, for one use
            }
            with open(log, "wb") as told:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "trainable.build"], stdin=subprocess.PIPE,
                    stdout=told, stderr=told, env=environment, start_new_session=True,
                )  # fmt: skip
            source = process.stdin
            assert source is not None
            try:
                with suppress(BrokenPipeError):  # the log says why
                    source.write(json.dumps(content).encode() + b"\n")
                    source.flush()
                yield cls(process, made, log, file)
            finally:
                with suppress(BrokenPipeError):
                    source.close()
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
        self._made.replace(self._file)
        _prune(self._file.parent)


def _prune(folder: Path) -> None:
    """Remove what has not been used for long."""
    for file in (*folder.glob("*.so"), *folder.glob("*.lock")):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > UNUSED_SECONDS:
                file.unlink()
