"""A marker in the run folder, by which nodes find out whether they share one file system."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SEEN_SECONDS = 5.0
"""How long a file of another host may take to become visible here (caches of NFS)."""


class Marker:
    """A folder with a unique name, in which each node leaves a file of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    @contextmanager
    def laid(cls, folder: Path) -> Iterator[Marker | None]:
        """On the batch host: create one in `folder` for a while; None: that cannot be written."""
        try:
            path = Path(tempfile.mkdtemp(prefix=".shoal-doctor-", dir=folder))
        except OSError:
            yield None
            return
        try:
            yield cls(path)
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def answer(self, node: str) -> bool:
        """On a node: leave a file in the marker, and return whether the marker is visible there."""
        if not self.path.is_dir():
            return False
        with suppress(OSError):  # what cannot be written is told by another check
            (self.path / node).touch()
        return True

    def answered(self, node: str) -> bool:
        """On the batch host: whether a node's file is visible here."""
        deadline = time.monotonic() + SEEN_SECONDS
        while not (self.path / node).exists():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        return True
