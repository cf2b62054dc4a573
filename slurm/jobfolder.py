"""The job folder: files by which a job's processes communicate, on the nodes' shared disk.

    OUT/slurm/JOBID/
      token             the cluster's token, mode 600 in a folder of mode 700
      head.json         where this life's head is
      cluster.json      the nodes that Ray counts, and their resources
      alive             touched by the batch host while it lives
      job.json          where its output and errors go, for those who look without SLURM
      life.json         how often the job was started before; who reads a later life stops
      node-NAME.log     what the agent and Ray say on one node
      memory-NAME.json  how many processes the memory limit has killed on one node
      limit             when its time limit ends it, in seconds since 1970
      requeues          how often the job was put back into the queue for a lost cluster, and
                        the last life that was
      idle              how many lives in a row gained nothing, and the last of them
      turn-*            whose turn it is to ask SLURM (`shoal.slurm.queue.turn`)
      end.json          why the last life that could say so ended

Every file that another process reads is replaced whole by rename.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import Any

from shoal.slurm import wire
from shoal.slurm.causes import told
from shoal.slurm.errors import BadInput
from shoal.slurm.files import own_folder, read_text, touch

ANY_TURN = wire.turn("*", "*")
"""Pattern of the files of all turns."""

TAIL_BYTES = 1 << 16
"""Length of the end of a log that is searched for a cause."""

QUIET_SECONDS, MAX_WAIT_SECONDS = 15.0, 60.0
"""How long the heartbeat of an earlier life must have stopped before this one begins, and the
timeout of waiting for that."""


class JobFolder:
    """The job folder at a path.

    Args:
        life: how often the job was started before; what an earlier life left is not read.
    """

    def __init__(self, path: Path, life: int) -> None:
        self.path, self.life = path, life

    @classmethod
    def make(cls, path: Path, life: int) -> JobFolder:
        """Make the folder, closed to others, with a fresh token.

        Raises:
            BadInput: it cannot be made.
        """
        folder = cls(path, life)
        try:
            own_folder(path)
            for old in (wire.HEAD, wire.CLUSTER):
                record(path, old).unlink(missing_ok=True)
            folder.publish(wire.LIFE, {})
            for old_turn in path.glob(ANY_TURN):
                old_turn.unlink(missing_ok=True)
            folder._await_silence()
            folder.write(wire.TOKEN_FILE, secrets.token_hex(32), mode=0o600)
            folder.beat()
        except OSError as error:
            raise BadInput(
                f"cannot make {path}: {error.strerror}; give an --out on a disk that the nodes see"
            ) from error
        return folder

    @property
    def token(self) -> Path:
        """The file with the cluster's token."""
        return self.path / wire.TOKEN_FILE

    def log(self, node: str) -> Path:
        """The log of one node."""
        return self.path / wire.log_file(node)

    def publish(self, name: str, values: Mapping[str, Any]) -> None:
        """Write ``NAME.json`` for the other processes of this life."""
        text = json.dumps({**values, wire.LIFE_KEY: self.life})
        self.write(record(self.path, name).name, f"{text}\n")

    def read(self, name: str) -> dict[str, Any] | None:
        """Return what was published in this life as `name`, or None."""
        values = published(self.path, name)
        return values if values is not None and values.get(wire.LIFE_KEY) == self.life else None

    def beat(self) -> None:
        """Write the heartbeat of the batch host."""
        with suppress(OSError):
            touch(self.path / wire.ALIVE_FILE)

    def silence_seconds(self) -> float:
        """Return the age of the batch host's last heartbeat."""
        return self.age_seconds(wire.ALIVE_FILE) or 0.0

    def age_seconds(self, name: str) -> float | None:
        """Return the age of a file by the disk's own clock, since those of hosts differ; None:
        it is not known."""
        probe = self.path / f".clock.{os.uname().nodename}.{secrets.token_hex(4)}"
        try:
            touch(probe)
            now = probe.stat().st_mtime
            return now - (self.path / name).stat().st_mtime
        except OSError:
            return None
        finally:
            with suppress(OSError):
                probe.unlink(missing_ok=True)

    def superseded(self) -> bool:
        """Whether a later life has begun: then this one must not write any more."""
        now = (published(self.path, wire.LIFE) or {}).get(wire.LIFE_KEY)
        return isinstance(now, int) and now > self.life

    def _await_silence(self) -> None:
        """Wait for an earlier life to stop: its host may be cut off and yet write to this disk."""
        deadline = time.monotonic() + MAX_WAIT_SECONDS
        while (self.path / wire.ALIVE_FILE).exists() and self.silence_seconds() < QUIET_SECONDS:
            if self.life == 0 or time.monotonic() > deadline:
                return
            time.sleep(0.5)

    def leave(self) -> None:
        """Remove the heartbeat, so that the next life need not wait for its timeout."""
        if not self.superseded():
            with suppress(OSError):
                (self.path / wire.ALIVE_FILE).unlink(missing_ok=True)

    def count(self, what: str) -> int:
        """Count that `what` (a file's name) happened in this life; return the number of lives."""
        before, last = 0, -1
        with suppress(OSError, ValueError):
            words = read_text(self.path / what).split()
            before, last = int(words[0]), int(words[1]) if len(words) > 1 else -1
        if last == self.life:
            return before
        with suppress(OSError):
            self.write(what, f"{before + 1} {self.life}\n")
        return before + 1

    def forget(self, what: str) -> None:
        """Reset the count of `what`."""
        with suppress(OSError):
            (self.path / what).unlink(missing_ok=True)

    def note_end(self, why: str) -> None:
        """Keep why this life ended, for those who look later."""
        if not self.superseded():
            with suppress(OSError):
                moment = time.strftime("%Y-%m-%dT%H:%M:%S%z")
                self.publish(wire.END, {wire.WHY_KEY: why, wire.WHEN_KEY: moment})

    def tail(self, node: str, lines: int = 8) -> str:
        """The last lines of a node's log that tell a cause, indented."""
        try:
            text = read_text(self.log(node), TAIL_BYTES)
        except OSError:
            return ""
        return "\n".join(f"    {line}" for line in told(text, lines))

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Replace a file atomically, by rename."""
        # by chance, not by process: containers of one host have the same numbers
        beside = self.path / f".{name}.{os.uname().nodename}.{secrets.token_hex(4)}"
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        beside.replace(self.path / name)


def place(command: Sequence[str], job: str) -> Path:
    """Return the path of a job folder: in the run folder of its command.

    Args:
        command: with ``--out RUN_FOLDER``, or SHOAL_OUT in the environment.
    """
    out = named_out(command) or os.environ.get(wire.OUT_VARIABLE) or wire.own_out(job)
    return Path(out) / wire.SLURM_FOLDER / job


def named_out(command: Sequence[str]) -> Path | None:
    """Return the run folder that ``--out`` names in a command, or None.

    All that this package knows of its command: ``sbatch slurm/search.sbatch run --out X`` goes from
    the batch script to the supervisor, which puts the job folder in there before the search, whose
    option it is, has begun; so this stands here and not with the command line.
    """
    out = None
    for word, after in zip_longest(command, command[1:]):
        if word == wire.OUT_OPTION and after is not None:
            out = Path(os.path.expanduser(after))
        elif word.startswith(f"{wire.OUT_OPTION}="):
            out = Path(os.path.expanduser(word.partition("=")[2]))
    return out


def record(path: Path, name: str) -> Path:
    """Return the file of a record, such as `wire.HEAD`, in the job folder at `path`."""
    return path / f"{name}.json"


def published(path: Path, name: str) -> dict[str, Any] | None:
    """Return what any life published as `name` in the job folder at `path`, or None."""
    try:
        values = json.loads(read_text(record(path, name)))
    except (OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None
