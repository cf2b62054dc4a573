"""Fitted parameters as they are written: of packs on the way, and of the best trials at the end.

A pack's parameters are on disk before its rows are, so that each row that a trial's place among the
best may depend on has its parameters. Which are left in the end follows from the table alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BufferedReader

import numpy
from numpy.typing import NDArray

from shoal.search.errors import RunFolderError
from shoal.search.folder import ledger
from shoal.search.folder.parameters import FOLDER, OF_FIT, Stack, file_names
from shoal.search.folder.reader import RunFolder
from shoal.search.folder.staging import Staging

Contends = Callable[[NDArray[numpy.int64]], NDArray[numpy.bool_]]
"""Which of some trials may be among the best in the end."""


class Keeping:
    """Writes ``parameters/`` of a run folder."""

    def __init__(self, folder: RunFolder, staging: Staging) -> None:
        """Take up what is there."""
        self._folder, self._staging = folder, staging
        self._trials: dict[str, NDArray[numpy.int64]] = {}  # by file
        if folder.request.keep != 0 and not folder.request.called:
            with staging.writing(folder.path / FOLDER):
                staging.top.folder(FOLDER, make=True).close()
            for name in folder.parameter_files():
                if (stack := folder.stack(name)) is not None:
                    self._trials[name] = stack.trial

    def add(self, pack: str, stack: Stack) -> None:
        """Write parameters of a pack, in the place of those that it may have already of any of
        these trials."""
        content = stack.to_bytes()
        name = f"{pack}.{hashlib.sha256(content).hexdigest()[:16]}.safetensors"
        staging = self._staging
        with staging.writing(staging.path / FOLDER / name):
            staging.put(name, content)
            with staging.top.folder(FOLDER, make=True) as place:
                staging.place(name, place)
        for other, trials in list(self._trials.items()):
            again = bool(numpy.isin(trials, stack.trial).any())
            if other.startswith(pack) and other != name and again:
                self._remove(other)
        self._trials[name] = stack.trial

    def prune(self, contends: Contends) -> None:
        """Remove files of trials of which none can be among the best any more."""
        for name, trials in list(self._trials.items()):
            if not contends(trials).any():
                self._remove(name)

    def settle(self, contends: Contends) -> None:
        """Leave each pack one file, of those trials alone that are kept, where all of them are.

        What a file had of others depends on when it was written.
        """
        packs: dict[str, list[str]] = {}
        for name in self._trials:
            packs.setdefault(name.partition(".")[0], []).append(name)
        for pack, names in packs.items():
            if len(names) == 1 and contends(self._trials[names[0]]).all():
                continue
            stacks = [self._folder.stack(name) for name in names]  # in parts, as it was asked for
            whole = Stack.joined([stack for stack in stacks if stack is not None])
            if (chosen := contends(whole.trial)).any():
                self.add(pack, whole.only(chosen))
        self.prune(contends)

    def end(self, best: Sequence[int]) -> list[int]:
        """Write a file for each fit of the best trials, and remove those of packs.

        A writer that died here may have removed some already: their fits have files.

        Args:
            best: the trials, the best first.

        Returns:
            trials of which parameters are missing.
        """
        if not self._trials:
            return []
        request = self._folder.request
        found: dict[str, bytes] = {}
        for name, trials in self._trials.items():
            chosen = numpy.flatnonzero(numpy.isin(trials, numpy.asarray(best)))
            stack = self._folder.stack(name) if len(chosen) else None
            if stack is None:
                continue
            for i in chosen:
                key = stack.key(int(i))
                found[file_names(request, *key)[0]] = stack.one(int(i)).to_bytes(*key)
        missing = []
        for trial in best:
            every = [
                file_names(request, trial, replicate, fold)
                for replicate in range(request.replicates)
                for fold in range(request.folds)
            ]
            for name, *before in every:
                if name not in found:
                    for content in self._placed([name, *before]).values():
                        found.setdefault(name, content)
            if not found.keys() >= {name for name, *_ in every}:
                missing.append(trial)
        self._place(found)
        for name in list(self._trials):
            self._remove(name)
        return missing

    def _placed(self, names: Sequence[str]) -> dict[str, bytes]:
        """Those of these files that are in their place, and whole."""
        path, found = self._staging.path, {}
        for name in names:
            if (file := f"{FOLDER}/{name}") in ledger.read(path):
                with suppress(RunFolderError):
                    found[name] = ledger.checked(path, file, BufferedReader.read)
        return found

    def _place(self, contents: dict[str, bytes]) -> None:
        """Write files of fits, which then are in the ledger; all others of fits go."""
        staging = self._staging
        with staging.writing(staging.path / FOLDER):
            digests = ledger.read(staging.path)
            digests = {n: held for n, held in digests.items() if not n.startswith(f"{FOLDER}/")}
            with staging.top.folder(FOLDER, make=True) as place:
                for name, content in sorted(contents.items()):
                    staging.put(name, content)
                    staging.place(name, place)
                    digests[f"{FOLDER}/{name}"] = [hashlib.sha256(content).hexdigest()]
                staging.put(ledger.NAME, (json.dumps(digests) + "\n").encode())
                staging.place(ledger.NAME)
                for name in place.names():
                    if OF_FIT.fullmatch(name) and name not in contents:
                        place.unlink(name)

    def _remove(self, name: str) -> None:
        staging = self._staging
        with staging.writing(staging.path / FOLDER / name), staging.top.folder(FOLDER) as place:
            place.unlink(name)
        del self._trials[name]
