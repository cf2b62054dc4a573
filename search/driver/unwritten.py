"""Rows that wait to be written: short packs that end in the same second share a part."""

from __future__ import annotations

import time
from collections.abc import Callable

import pyarrow as pa

from shoal.search.folder import Stack, Writer
from shoal.search.rounds import Pack, Rounds

PERIOD_SECONDS = 1.0
"""How long rows may wait. A driver that is killed has this much to do again, and the disk of a
cluster sees one file a second, however short the packs are."""


class Unwritten:
    """Packs whose rows the run folder has not got yet."""

    def __init__(self, writer: Writer, rounds: Rounds, done: Callable[[Pack], None]) -> None:
        """Begin with none.

        Args:
            rounds: knows which trials may be among the best.
            done: told of each pack whose rows are in the run folder.
        """
        self._writer, self._rounds, self._done = writer, rounds, done
        self._packs: list[tuple[Pack, pa.Table, Stack | None]] = []
        self._written = float("-inf")

    def add(self, pack: Pack, rows: pa.Table, parameters: Stack | None) -> None:
        """These are the rows of a pack, and the parameters of its best fits."""
        self._packs.append((pack, rows, parameters))

    @property
    def due(self) -> bool:
        """Whether some wait, and nothing was written for a while."""
        return bool(self._packs) and time.monotonic() - self._written >= PERIOD_SECONDS

    def write(self) -> None:
        """Write what waits: parameters first, since rows say that a pack is done.

        Raises:
            RunFolderError: the disk does not take them, or there is another writer.
        """
        if not self._packs:
            return
        keeping = self._writer.keeping
        for pack, _, parameters in self._packs:
            left = None if parameters is None else self._contending(parameters)
            if left is not None and len(left):
                keeping.add(pack.name, left)
        packs = [pack for pack, _, _ in self._packs]
        rows = pa.concat_tables([rows for _, rows, _ in self._packs])
        self._writer.add(packs[0].name, rows, others=len(packs) - 1)
        keeping.prune(self._rounds.contends)
        self._packs.clear()
        self._written = time.monotonic()
        for pack in packs:
            self._done(pack)

    def _contending(self, parameters: Stack) -> Stack:
        """Those of trials that may be among the best."""
        return parameters.only(self._rounds.contends(parameters.trial))
