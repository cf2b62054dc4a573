"""Checkpoints of packs: what a worker leaves in ``packs/`` of the run folder, so that a long pack
goes on after any interruption with the numbers that it would have had.

    packs/KEY-ATTEMPT.pt        32 bytes of sha256, then tensors and numbers by torch.save
    packs/.KEY-ATTEMPT.pt.HEX   the same, not whole yet

KEY is a hash of the pack's lanes and of all that decides their numbers, so that a checkpoint of
anything else has another name. ATTEMPT counts how often the pack was handed out; the driver says
which one to go on from, so that a worker that was thought dead is never listened to. A checkpoint
is loaded with ``weights_only=True`` and only if it is whole, of this key, and of this kind of
device and these versions of torch and shoal, whose last digits differ.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from shoal.trainable.disk import Directory, opened_in
from shoal.trainable.errors import CheckpointError
from shoal.trainable.fitting.block import Snapshot
from shoal.trainable.fitting.plan import Plan
from shoal.trainable.lanes import Lanes
from shoal.version import __version__

_DIGEST_BYTES = 32
_NAME = re.compile(r"([0-9a-z]{24})-([0-9]{6,12})\.pt")
_HALF = re.compile(r"\.([0-9a-z]{24})-[0-9]{6,12}\.pt\..+")


@dataclass(frozen=True, kw_only=True)
class Saving:
    """Where the checkpoints of one attempt at a pack go.

    Attributes:
        folder: ``packs/`` of the run folder.
        attempt: how often the pack was handed out before, over all lives of the search.
        resume: name of the checkpoint to go on from, or None to begin anew.
        period_seconds: between checkpoints; inf: only when told to stop.
    """

    folder: str
    key: str
    attempt: int
    resume: str | None
    period_seconds: float

    @property
    def file(self) -> Path:
        """The checkpoint of this attempt."""
        return Path(self.folder, file_name(self.key, self.attempt))


def file_name(key: str, attempt: int) -> str:
    """The name of a checkpoint."""
    return f"{key}-{attempt:06d}.pt"


def key(lanes: Lanes, *, program: str, plan: Plan, block: int, defaults: dict[str, float]) -> str:
    """Return the hash that names a pack: 24 hexadecimal digits.

    Args:
        program: names the problem's source and how it is run.
    """
    digest = hashlib.sha256(repr((program, plan, block, sorted(defaults.items()))).encode())
    digest.update(repr(sorted(lanes.shape.items(), key=str)).encode())
    for column in (lanes.trial, lanes.replicate, lanes.seed):
        digest.update(column.numpy().tobytes())
    for name, values in sorted(lanes.values.items()):
        digest.update(name.encode() + b"\0" + values.numpy().tobytes())
    return digest.hexdigest()[:24]


def attempts(folder: Path, of: str) -> list[int]:
    """Return the attempts at the pack of key `of` that have left a checkpoint, ascending."""
    try:
        with Directory.at(folder.parent) as above, above.folder(folder.name) as packs:
            found = [_NAME.fullmatch(name) for name in packs.names()]
    except OSError:  # then there are none that could be used
        return []
    return sorted(int(name[2]) for name in found if name and name[1] == of)


def remove(folder: Path, of: str | None = None) -> None:
    """Remove every checkpoint of a pack (None: of all packs), also half-written ones.

    What has another name, or is no file, is not ours and stays.

    Raises:
        OSError: the folder is none, or the disk does not let go of one.
    """
    with Directory.at(folder.parent) as above, above.folder(folder.name) as packs:
        for name in packs.names():
            named = _NAME.fullmatch(name) or _HALF.fullmatch(name)
            if named and of in (None, named[1]):
                packs.unlink(name)


def save(saving: Saving, snapshot: Snapshot, *, device: str, seconds: float, began: float) -> None:
    """Write a checkpoint beside its place and move it there, so that it is whole or absent.

    Args:
        device: the kind of device, ``cpu`` or ``cuda``.
        seconds: what the pack has taken so far; began: when it began (seconds since 1970).

    Raises:
        CheckpointError: the disk does not take it.
    """
    buffer = io.BytesIO()
    torch.save(
        {
            "key": saving.key,
            "device": device,
            "torch": str(torch.__version__),
            "shoal": __version__,
            "seconds": seconds,
            "began": began,
            "snapshot": snapshot,
        },
        buffer,
    )
    body = buffer.getbuffer()
    beside = f".{saving.file.name}.{secrets.token_hex(8)}"
    folder = Path(saving.folder)
    try:
        with Directory.at(folder.parent) as above, above.folder(folder.name) as packs:
            try:
                with packs.create(beside) as handle:
                    handle.write(hashlib.sha256(body).digest())
                    handle.write(body)
                    handle.flush()
                    os.fsync(handle.fileno())
                packs.rename(beside, packs, saving.file.name)
            except OSError:
                with suppress(OSError):
                    packs.unlink(beside)
                raise
    except OSError as error:
        raise CheckpointError(f"cannot write {saving.file}: {error.strerror}") from error


def load(file: Path, *, of: str, device: str) -> dict[str, Any]:
    """Return what `save` has written: ``snapshot``, ``seconds`` and ``began``.

    Raises:
        CheckpointError: it is damaged, or of another pack, kind of device or version of torch or
            shoal.
    """
    try:
        with opened_in(file.parent.parent, f"{file.parent.name}/{file.name}") as handle:
            raw = handle.read()
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror}") from error
    except (MemoryError, OverflowError) as error:
        raise CheckpointError(f"{file} is larger than memory") from error
    digest, body = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise CheckpointError(f"{file} is damaged")
    try:
        held: dict[str, Any] = torch.load(io.BytesIO(body), weights_only=True)
        wanted = {
            "key": of,
            "device": device,
            "torch": str(torch.__version__),
            "shoal": __version__,
        }
        had = {name: held.get(name) for name in wanted}
        other = [name for name, value in wanted.items() if had[name] != value]
    except Exception as error:  # whole, and yet none of ours: torch has many words for it
        raise CheckpointError(f"{file} is no checkpoint of fits") from error
    if other:
        raise CheckpointError(
            f"{file} is of another {other[0]} ({had[other[0]]}, not {wanted[other[0]]})"
        )
    return held


class CheckpointKeeper:
    """Keeps a pack's snapshots as checkpoints, on a period and when told to stop.

    A checkpoint that cannot be read or written costs time and no numbers: `notes` tells of it.
    """

    def __init__(
        self, saving: Saving | None, stop: Callable[[], bool], *, device: str, began: float
    ) -> None:
        """Begin.

        Args:
            saving: None where no checkpoint is to be written.
            stop: asked after each update, so it must be quick.
            device: the kind of device.
            began: now, in seconds since 1970.
        """
        self._saving, self._stop, self._device = saving, stop, device
        self._since = time.monotonic()
        self._next = self._since + saving.period_seconds if saving is not None else float("inf")
        self.began, self.before = began, 0.0
        self.saved = False
        self.notes: list[str] = []

    def begin(self) -> Snapshot | None:
        """Return the snapshot of the checkpoint to go on from, if there is a good one."""
        saving = self._saving
        if saving is None or saving.resume is None:
            return None
        try:
            held = load(Path(saving.folder, saving.resume), of=saving.key, device=self._device)
        except CheckpointError as error:
            self.notes.append(f"{error}; its fits begin anew")
            return None
        self.began, self.before = float(held["began"]), float(held["seconds"])
        snapshot: Snapshot = held["snapshot"]
        return snapshot

    def refuse(self) -> None:
        """The snapshot cannot be gone on from."""
        if self._saving is None or self._saving.resume is None:
            raise ValueError("there is none")
        self.began, self.before = time.time(), 0.0
        file = Path(self._saving.folder, self._saving.resume)
        self.notes.append(f"{file} is of another version of shoal; its fits begin anew")

    def due(self) -> bool:
        """Whether the period is over, or to stop."""
        return self._stop() or time.monotonic() >= self._next

    def keep(self, snapshot: Snapshot) -> None:
        """Write a checkpoint."""
        if self._saving is None:
            return
        now = time.monotonic()
        seconds = self.before + now - self._since
        try:
            save(self._saving, snapshot, device=self._device, seconds=seconds, began=self.began)
            self.saved = True
        except CheckpointError as error:
            self.notes.append(f"{error}; the fits go on without")
        self._next = time.monotonic() + self._saving.period_seconds

    def stopped(self) -> bool:
        """Whether to end now."""
        return self._stop()
