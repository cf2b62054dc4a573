"""Which version of each of the user's files this process runs now, over all of its searches."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from shoal.trainable.errors import SourceError
from shoal.trainable.modules.files import File

_lock = threading.Lock()
_running: list[dict[str, str]] = []
"""Of each search: sha256 by the original's resolved path."""


@contextmanager
def claimed(files: Sequence[File]) -> Iterator[None]:
    """Within the context, run these files and refuse other versions of them.

    Raises:
        SourceError: another search of this process runs another version.
    """
    mine = {os.path.realpath(file.original): file.sha256 for file in files if file.sha256}
    with _lock:
        for other in _running:
            for path in mine.keys() & other.keys():
                if mine[path] != other[path]:
                    raise SourceError(
                        f"a search that runs in this process has another version of {path}; "
                        "wait for its end, or start this one in a process of its own"
                    )
        _running.append(mine)
    try:
        yield
    finally:
        with _lock:
            _running.remove(mine)
