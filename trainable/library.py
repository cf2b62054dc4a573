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
import platform
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path

import torch
from torch.fx import GraphModule

from trainable.building import Build, Shapes
from trainable.errors import CompileError, one_line

VERSION = 1
"""Counts the ways in which `trainable.build` has compiled."""

POLL_SECONDS = 0.05

Run = Callable[[list[torch.Tensor]], Sequence[torch.Tensor]]


def make_all(libraries: Sequence[Library], stop: Callable[[], bool]) -> bool:
    """See to it that the libraries are there; return whether they are, or `stop` came first.

    Those that nobody makes yet are made at the same time, for those of others it waits.

    Raises:
        CompileError: one cannot be made.
    """
    with ExitStack() as builds:
        mine: dict[Library, Build] = {}
        while missing := [library for library in libraries if not library.there]:
            if stop():
                return False
            for library in missing:
                if library in mine:
                    mine[library].check()
                elif (build := library.build(builds)) is not None:
                    mine[library] = build
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
        self._shapes: Shapes = [
            (tuple(a.shape), str(a.dtype).removeprefix("torch.")) for a in arguments
        ]
        self._file = cache_folder() / f"{self._key()}.so"

    @property
    def there(self) -> bool:
        """Whether it has been made."""
        return self._file.exists()

    def build(self, builds: ExitStack) -> Build | None:
        """Begin to make it, in a process that ends with `builds`; None where another makes it.

        Raises:
            CompileError: there is no compiler.
        """
        with ExitStack() as held:
            lock = held.enter_context(open(self._file.with_suffix(".lock"), "ab"))
            if not _taken(lock.fileno()) or self.there:
                return None
            if compiler() is None:
                raise CompileError("there is no C++ compiler (looked for $CXX, then g++)")
            build = held.enter_context(Build.begun(self._file, self._graph, self._shapes))
            builds.push(held.pop_all())
        return build

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
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(given) if given else Path(home, "shoal")
    if not given and home.startswith("~"):
        raise CompileError("there is no home folder to keep libraries in; set SHOAL_CACHE")
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


def _taken(lock: int) -> bool:
    """Whether the lock is ours now; where locks are not to be had, it is."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
