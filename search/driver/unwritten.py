"""Rows that wait to be written: short packs that end in the same second share a part."""

from __future__ import annotations

import time
from collections.abc import Callable

import pyarrow as pa

from shoal.search.folder import Writer
from shoal.search.rounds import Pack

PERIOD_SECONDS = 1.0
"""How long rows may wait. A driver that is killed has this much to do again, and the disk of a
cluster sees one file a second, however short the packs are."""


class Unwritten:
    """Packs whose rows the run folder has not got yet."""

    def __init__(self, writer: Writer, done: Callable[[Pack], None]) -> None:
        """Begin with none.

        Args:
            done: told of each pack whose rows are in the run folder.
        """
        self._writer, self._done = writer, done
        self._packs: list[tuple[Pack, pa.Table]] = []
        self._written = float("-inf")

    def add(self, pack: Pack, rows: pa.Table) -> None:
        """These are the rows of a pack."""
        self._packs.append((pack, rows))

    @property
    def due(self) -> bool:
        """Whether some wait, and nothing was written for a while."""
        return bool(self._packs) and time.monotonic() - self._written >= PERIOD_SECONDS

    def write(self) -> None:
        """Write what waits.

        Raises:
            RunFolderError: the disk does not take them, or there is another writer.
        """
        if not self._packs:
            return
        packs = [pack for pack, _ in self._packs]
        rows = pa.concat_tables([rows for _, rows in self._packs])
        self._writer.add(packs[0].name, rows, others=len(packs) - 1)
        self._packs.clear()
        self._written = time.monotonic()
        for pack in packs:
            self._done(pack)
