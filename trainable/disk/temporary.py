"""A cache folder for this process alone, used where the usual cache cannot be."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from pathlib import Path

from shoal.trainable.disk.trust import check_folder
from shoal.trainable.errors import CompileError

_guard = threading.Lock()
_folders: dict[int, Path] = {}


def private_folder() -> Path:
    """Return the folder; others cannot read it, and it is removed when this process ends.

    (That of a process that was killed is removed by a later search, by the number in its name.)

    Raises:
        CompileError: it cannot be made, or others could put another into its place.
    """
    process = os.getpid()  # after a fork another
    with _guard:
        folder = _folders.get(process)
        if folder is None or not folder.is_dir():
            try:
                folder = Path(tempfile.mkdtemp(prefix=f"shoal-{process}-"))
            except OSError as error:
                raise CompileError(f"cannot make a temporary folder ({error.strerror})") from error
            _folders[process] = folder
            atexit.register(_remove, process, folder)
    check_folder(folder)
    return folder


def _remove(process: int, folder: Path) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
