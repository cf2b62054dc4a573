"""A trivial library that tests whether anything can be compiled and loaded here."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from shoal.trainable.compiling.building import Run
from shoal.trainable.compiling.library import Place, cache_folder, loaded, make
from shoal.trainable.compiling.toolchain import command, identity


class Probe:
    """A function that does nothing, never the same twice."""

    seconds = 60.0

    def __init__(self) -> None:
        self._key = f"probe {os.getpid()} {time.time_ns()}"

    def key(self) -> str:
        """Its number."""
        return self._key

    def command(self, folder: Path, made: Path) -> Sequence[str]:
        """Return the command; the source is beside `made`."""
        file = folder / "probe.cpp"
        file.write_text('extern "C" void run() {}\n', encoding="utf-8")
        return [*command(), "-shared", "-fPIC", "-o", str(made), str(file)]

    def environment(self, folder: Path) -> Mapping[str, str]:
        """Return nothing: it needs none."""
        return {}

    def load(self, file: str) -> Run:
        """Look for the function."""
        run: Run = ctypes.CDLL(file).run
        return run


def check_compiler(stop: Callable[[], bool]) -> None:
    """Check that something can be compiled, kept and loaded.

    Raises:
        CompileError: it cannot.
    """
    place = Place(Probe(), cache_folder(), identity())
    made = make([place], stop, most=1)
    try:
        if made is not None:
            loaded(place, made[place])
    finally:
        for file in place.folder.glob(f"{place.name}*"):
            with suppress(OSError):
                file.unlink()
