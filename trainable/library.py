"""Compiled libraries: traced functions as machine code, made once a machine and kept.

    <cache>/KEY.so      what torch's ahead-of-time compiler made of a function of fixed shapes
    <cache>/KEY.lock    held by the process that makes it; all others wait for it

The cache is ``$SHOAL_CACHE``, or ``shoal`` in ``$XDG_CACHE_HOME`` or ``~/.cache``. KEY is a hash of
the operations, the shapes, torch's version and the processor, so that a shared home folder serves
unlike nodes. A library is code that is run: it is taken from a folder alone that belongs to this
user and that nobody else can write to.

Making one takes ten to twenty seconds of a core, in a process of its own (`trainable.build`), which
ends with the one that waits for it; loading one takes a millisecond, without any compiler.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.fx import GraphModule

from trainable.errors import CompileError, one_line

VERSION = 1
"""Counts the ways in which `trainable.build` has compiled."""

POLL_SECONDS = 0.05

UNUSED_SECONDS = 90 * 86400.0
"""How long a library is kept that nothing loads."""

Run = Callable[[list[torch.Tensor]], Sequence[torch.Tensor]]


def make_all(libraries: Sequence[Library], stop: Callable[[], bool]) -> bool:
    """See to it that the libraries are there; return whether they are, or `stop` came first.

    Where several processes want the same ones, each makes another.

    Raises:
        CompileError: one cannot be made.
    """
    while missing := [library for library in libraries if not library.there]:
        if stop():
            return False
        if all(library.make(stop) for library in missing):
            time.sleep(POLL_SECONDS)
    return True


class Library:
    """A traced function, compiled for this processor."""

    def __init__(self, graph: GraphModule, arguments: Sequence[torch.Tensor]) -> None:
        """Name it; `make_all` makes it.

        Args:
            graph: what `trainable.tracing.traced` gave for tensors of the shapes of `arguments`.

        Raises:
            CompileError: there is no place for it.
        """
        self._graph = graph
        self._shapes = [(tuple(a.shape), str(a.dtype).removeprefix("torch.")) for a in arguments]
        self._file = cache_folder() / f"{self._key()}.so"

    @property
    def there(self) -> bool:
        """Whether it has been made."""
        return self._file.exists()

    def make(self, stop: Callable[[], bool]) -> bool:
        """Make it, unless it is there or another process makes it; return whether it did nothing.

        Raises:
            CompileError: it cannot be made.
        """
        with open(self._file.with_suffix(".lock"), "ab") as lock:
            if not _taken(lock.fileno()) or self.there:
                return True
            self._build(stop)
        return False

    def load(self) -> Run:
        """Return the function, which takes and gives lists of tensors.

        Raises:
            CompileError: it is not to be trusted, or does not load.
        """
        _trust(self._file)
        try:
            os.utime(self._file)
            runner = torch._C._aoti.AOTIModelContainerRunnerCpu(str(self._file), 1)
        except (OSError, RuntimeError) as error:
            with suppress(OSError):
                self._file.unlink()  # the next search makes it anew
            raise CompileError(f"{self._file} does not load ({one_line(error)})") from error
        run: Run = runner.run
        return run

    def _key(self) -> str:
        digest = hashlib.sha256(
            repr(
                (VERSION, self._graph.code, self._shapes, str(torch.__version__), processor())
            ).encode()
        )
        for name, tensor in sorted(self._graph.named_buffers()):
            digest.update(repr((name, tensor.shape, tensor.dtype)).encode())
            digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:32]

    def _build(self, stop: Callable[[], bool]) -> None:
        """Compile in a process of its own, until it ends or `stop` comes."""
        if compiler() is None:
            raise CompileError("there is no C++ compiler (looked for $CXX, then g++)")
        for old in self._file.parent.glob(f".{self._file.stem}.*"):
            shutil.rmtree(old, ignore_errors=True)  # of one that was killed
        with tempfile.TemporaryDirectory(
            prefix=f".{self._file.stem}.", dir=self._file.parent
        ) as temp:
            made, log = Path(temp, "made.so"), Path(temp, "log")
            environment = {
                **os.environ,
                "TMPDIR": temp,
                "TORCHINDUCTOR_CACHE_DIR": str(Path(temp, "inductor")),
                "TORCHINDUCTOR_COMPILE_THREADS": "1",  # no pool of processes
                "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0",  # twice the time, for one use
            }
            task = pickle.dumps((self._graph, self._shapes, str(made)))
            with open(log, "wb") as told, _process(environment, told) as process:
                assert process.stdin is not None
                process.stdin.write(len(task).to_bytes(8, "big") + task)
                process.stdin.flush()
                while process.poll() is None:
                    if stop():
                        return
                    time.sleep(POLL_SECONDS)
            if process.returncode != 0:
                lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
                why = next((line for line in reversed(lines) if line.strip()), "")
                raise CompileError(f"compiling failed ({why.strip()[:200]})")
            made.replace(self._file)
            _prune(self._file.parent)


@contextmanager
def _process(environment: dict[str, str], log: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The process that compiles; it ends when its standard input does."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "trainable.build"],
        stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()


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


def cache_folder() -> Path:
    """Return the folder of the libraries, made if need be.

    Raises:
        CompileError: it cannot be made, or others can write to it.
    """
    given = os.environ.get("SHOAL_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(given) if given else Path(home, "shoal")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CompileError(f"cannot make {folder} ({error.strerror}); set SHOAL_CACHE") from error
    _trust(folder)
    return folder.absolute()


def _trust(path: Path) -> None:
    """Check that `path` is this user's, and that nobody else can write to it."""
    try:
        found = path.stat()
    except OSError as error:
        raise CompileError(f"cannot read {path} ({error.strerror})") from error
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise CompileError(
            f"{path} is another user's, or others can write to it; set SHOAL_CACHE to a folder "
            "of your own"
        )


def _prune(folder: Path) -> None:
    """Remove what has not been used for long."""
    for file in (*folder.glob("*.so"), *folder.glob("*.lock")):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > UNUSED_SECONDS:
                file.unlink()


def _taken(lock: int) -> bool:
    """Whether the lock is ours now; where locks are not to be had, it is."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
