"""The temp folder of a search on Ray: private, and removed even after searches that were killed.

Who uses it holds a lock (`shoal.slurm.node.temp`): a process id would not tell, since numbers come
again, and are others in a container.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shoal.slurm.node import temp, temp_parent

NAME = re.compile(r"shoal-[0-9]+-[a-z0-9_]{8}")

BELOW_TEMP_BYTES = len("/shoal-4194304-XXXXXXXX/ray")
"""Length of the path of our Ray's folder below the system's temp folder, with the longest PID."""


@contextmanager
def temp_folder(short: bool) -> Iterator[Path]:
    """Yield a private temp folder, and remove it at the end, with those of killed searches.

    Args:
        short: whether a Ray of our own has its sockets in it.
    """
    parent = temp_parent(BELOW_TEMP_BYTES) if short else Path(tempfile.gettempdir())
    for old in parent.glob("shoal-*-*"):
        if NAME.fullmatch(old.name) and temp.is_left_over(old):
            shutil.rmtree(old, ignore_errors=True)
    folder = temp.create(f"shoal-{os.getpid()}-", parent)
    try:
        yield folder
    finally:
        temp.remove(folder)
