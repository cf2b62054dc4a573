"""Files of a run folder as its one writer puts them there: whole beside their place, then moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, BufferedWriter
from pathlib import Path

from shoal.search.errors import RunFolderError
from shoal.search.lock import Lock, told
from shoal.trainable.disk import Directory


class Staging:
    """Writes files inside the writer's lock and moves them into the run folder.

    Attributes:
        path: of the run folder; top: the same, held open.
    """

    def __init__(self, path: Path, lock: Lock) -> None:
        self.path, self.top, self._lock = path, lock.folder, lock

    @contextmanager
    def writing(self, file: Path) -> Iterator[None]:
        """Tell of this file where the disk does not take what is done within.

        Raises:
            RunFolderError: it does not, or there is another writer.
        """
        try:
            yield
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                self._lock.check()
            raise RunFolderError(f"cannot write {file}: {told(error)}") from error

    def stage(self, name: str, write: Callable[[BufferedWriter], object]) -> None:
        """Write a file whole beside its place."""
        with self._lock.staging(name) as handle:
            write(handle)

    def put(self, name: str, content: bytes) -> None:
        """Write a file whole beside its place, of what is in memory."""
        self.stage(name, lambda out: out.write(content))

    def staged(self, name: str) -> BufferedReader:
        """Open a staged file to be read."""
        return self._lock.staged(name)

    def place(self, name: str, to: Directory | None = None, new: str | None = None) -> None:
        """Move a staged file to its place.

        Args:
            to: where; None: the run folder itself. new: its name there, if that is another.
        """
        self._lock.place(name, to or self.top, new)
