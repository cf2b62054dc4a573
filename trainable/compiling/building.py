"""Making a library: a process compiles it beside its place, and ends with the one that waits."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol, cast

import torch

from shoal.trainable.errors import CompileError, CompilerHangs

Run = Callable[[list[torch.Tensor]], Sequence[torch.Tensor]]
"""A compiled function: it takes and gives lists of tensors."""

UNUSED_SECONDS = 90 * 86400.0
"""How long a library is kept that nothing loads."""

WATCHED = 'exec 3<&0; (cat <&3 >/dev/null; kill -KILL 0) & exec "$@" 3<&- </dev/null'
"""Runs a command in a group of processes that ends when standard input does."""

ELSEWHERE = "make room there, or set SHOAL_CACHE to another folder of your own"

REMOVE_SECONDS = 5.0
"""How long a folder may take to become empty after its compiler was killed."""

MIN_BYTES = 1 << 20
"""Free space below which a disk counts as full: so much a compiler may need."""

TOLD_BYTES = 1 << 16
"""Length of the end of a compiler's output in which the error is looked for."""


class Code(Protocol):
    """Source of a library: how it is compiled and loaded.

    Attributes:
        seconds: how long compiling it may take at the most, on a machine that has much to do.
    """

    seconds: float

    def key(self) -> str:
        """All that the library depends on, but for the compiler and the processor."""

    def command(self, folder: Path, made: Path) -> Sequence[str]:
        """Return the command that compiles it to `made`; what it needs is put into `folder`."""

    def environment(self, folder: Path) -> Mapping[str, str]:
        """Return what that command needs in its environment besides."""

    def load(self, file: str) -> Run:
        """Return the compiled function, by the very name that is given.

        Raises:
            OSError, RuntimeError, AttributeError: it does not load, or lacks the function.
        """


class Build:
    """A library that is being made."""

    def __init__(
        self, process: subprocess.Popen[bytes], made: Path, log: Path, stem: Path, seconds: float
    ) -> None:
        self._process, self._made, self._log, self._stem = process, made, log, stem
        self._seconds, self._until = seconds, time.monotonic() + seconds

    @classmethod
    @contextmanager
    def begun(cls, stem: Path, code: Code, alone: bool) -> Iterator[Build]:
        """Begin to make what `published` names by `stem`; what is not done at the end is given up.

        Args:
            alone: whether no other process can be making it now.

        Raises:
            OSError: there is no room for it, or no process to be had.
        """
        if alone:
            for old in stem.parent.glob(f".{stem.name}.*"):
                shutil.rmtree(old, ignore_errors=True)  # of one that was killed
        with _folder(stem) as folder:
            made, log = folder / "made.so", folder / "log"
            with open(log, "wb") as told:
                process = subprocess.Popen(
                    ["sh", "-c", WATCHED, "sh", *code.command(folder, made)],
                    stdin=subprocess.PIPE,
                    stdout=told,
                    stderr=told,
                    start_new_session=True,
                    env={**os.environ, "TMPDIR": str(folder), **code.environment(folder)},
                )
            stdin = cast("IO[bytes]", process.stdin)  # a pipe, as asked for
            try:
                yield cls(process, made, log, stem, code.seconds)
            finally:
                stdin.close()
                if process.returncode is None:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def done(self) -> bool:
        """Put the library into its place once it is made; return whether it is.

        Raises:
            CompileError: the compiler exited with an error.
        """
        code = self._process.poll()
        if code is None:
            if time.monotonic() > self._until:
                raise CompilerHangs(f"the compiler did not end in {self._seconds:.0f} s")
            return False
        if code != 0 and _full(self._made.parent):
            raise CompileError(f"{self._stem.parent} is full; {ELSEWHERE}")
        if code < 0:
            raise CompileError(f"the compiler was killed by signal {-code}")
        if code != 0:
            raise CompileError(f"compiling failed ({self._why() or f'exit code {code}'})")
        try:
            published(self._made, self._stem)
        except FileNotFoundError as error:
            raise CompileError("the compiler ended well and made nothing") from error
        except OSError as error:
            raise CompileError(
                f"cannot write to {self._stem.parent} ({error.strerror}); {ELSEWHERE}"
            ) from error
        return True

    def _why(self) -> str:
        """The last line of what the compiler told."""
        with suppress(OSError), open(self._log, "rb") as told:
            told.seek(max(0, self._log.stat().st_size - TOLD_BYTES))
            lines = told.read().decode(errors="replace").split("\n")
            errors = [line for line in lines if "error" in line.lower() or "No space" in line]
            full = [line.strip() for line in lines if line.strip()]
            why = next(iter([*reversed(errors), *reversed(full)]), "").strip()
            return "".join(c for c in why if c.isprintable())[:200]
        return ""


@contextmanager
def _folder(stem: Path) -> Iterator[Path]:
    """A folder beside a library that is being made; nothing of it stays."""
    folder = Path(tempfile.mkdtemp(prefix=f".{stem.name}.", dir=stem.parent))
    try:
        yield folder
    finally:
        until = time.monotonic() + REMOVE_SECONDS
        shutil.rmtree(folder, ignore_errors=True)
        while folder.exists() and time.monotonic() < until:
            time.sleep(0.02)  # what was killed may have written one more file
            shutil.rmtree(folder, ignore_errors=True)


def _full(folder: Path) -> bool:
    """Whether there is no room for what a compiler writes."""
    try:
        room = os.statvfs(folder)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < MIN_BYTES or (room.f_files > 0 and not room.f_favail)


def published(made: Path, stem: Path) -> Path:
    """Move what a compiler made to ``STEM-DIGEST.so``, by the sha256 of its bytes; return that.

    The name is given last, so that who finds a file by it finds it whole, or finds out.

    Raises:
        OSError: it is not there, or cannot be moved.
    """
    content = made.read_bytes()
    file = stem.with_name(f"{stem.name}-{digest(content)}.so")
    made.chmod(0o500)
    made.replace(file)
    _prune(stem.parent)
    return file


def digest(content: bytes) -> str:
    """What a library's name says of its bytes."""
    return hashlib.sha256(content).hexdigest()[:32]


def _prune(folder: Path) -> None:
    """Remove what has not been used for long."""
    for file in (*folder.glob("*.so"), *folder.glob("*.lock")):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > UNUSED_SECONDS:
                file.unlink()
