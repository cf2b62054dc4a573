"""Number of threads of numpy's BLAS: one during a search, since workers use the cores.

The command says so by OPENBLAS_NUM_THREADS before numpy is loaded. In a Python program numpy is
there already, so the library itself is told, and told again what it had at the end.
"""

from __future__ import annotations

import ctypes
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_OPENBLAS = [
    (f"{head}openblas_get_num_threads{tail}", f"{head}openblas_set_num_threads{tail}")
    for head, tail in itertools.product(("", "scipy_"), ("", "64_", "_64", "_"))
]
FUNCTIONS = {
    "openblas": _OPENBLAS,
    "mkl_rt": [("MKL_Get_Max_Threads", "MKL_Set_Num_Threads")],
    "blis": [("bli_thread_get_num_threads", "bli_thread_set_num_threads")],
}
"""What asks for the number of threads and what sets it, by a part of the library's file name.
numpy's and scipy's wheels have OpenBLAS under a name of their own."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Let every loaded BLAS use one thread; restore the previous numbers at the end."""
    before = [(put, get()) for get, put in _libraries()]
    for put, threads in before:
        if threads != 1:
            put(1)
    try:
        yield
    finally:
        for put, threads in before:
            if threads != 1:
                put(threads)


def _libraries() -> Iterator[tuple[Callable[[], int], Callable[[int], Any]]]:
    """Yield, for each BLAS of this process, the functions that get and set the number of
    threads."""
    for file in _loaded():
        names = [pair for part, pairs in FUNCTIONS.items() if part in file.name for pair in pairs]
        try:
            library = ctypes.CDLL(str(file), mode=os.RTLD_NOW | os.RTLD_NOLOAD)
        except OSError:  # it has gone from the disk, or is another by now
            continue
        for get, put in names:
            if hasattr(library, get) and hasattr(library, put):
                yield getattr(library, get), getattr(library, put)
                break


def _loaded() -> list[Path]:
    """Return the files of the libraries in this process that may be a BLAS."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # another system: its BLAS is left as it is
        return []
    files = {line.split(maxsplit=5)[5] for line in maps.splitlines() if line.count("/")}
    return [Path(f) for f in sorted(files) if any(part in Path(f).name for part in FUNCTIONS)]
