"""The ledger of a run folder: what each file must be, so that damage is told and never read.

``digests.json`` has the sha256 of each file that keeps its name: first of the one that is about to
be there, then of the one before, since two files cannot be replaced in one moment. A part has its
digest in its own name.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

from shoal.search.errors import RunFolderError
from shoal.trainable.disk import opened_in, read_in

NAME = "digests.json"
PART = re.compile(r"r\d{6}-p\d{6}(?:\+\d+)?\.([0-9a-f]{16})\.parquet")
TRIES, PAUSE_SECONDS = 20, 0.05
"""How often a file is read again that is being replaced."""

MEND = "put it back, or choose another --out"
"""What to do about a file that rows are made of."""

Digests = dict[str, list[str]]
Read = TypeVar("Read")


def hashed(handle: BufferedReader) -> str:
    """The sha256 of an open file, from where it stands."""
    return hashlib.file_digest(handle, "sha256").hexdigest()


def digest_of(file: Path) -> str:
    """The sha256 of a file."""
    with open(file, "rb") as handle:
        return hashed(handle)


def part_name(pack: str, others: int, digest: str) -> str:
    """The name of the part of a pack, or of a pack and so many others."""
    return f"{pack}{f'+{others}' if others else ''}.{digest[:16]}.parquet"


def read(folder: Path) -> Digests:
    """Return the digests of a run folder.

    Raises:
        RunFolderError: they are missing or damaged.
    """
    file = folder / NAME
    try:
        held = json.loads(read_in(folder, NAME))
        if not all(isinstance(both, list) for both in held.values()):
            raise TypeError("each file has a list of digests")
        return {str(name): [str(digest) for digest in both] for name, both in held.items()}
    except FileNotFoundError:
        raise RunFolderError(f"{file} is missing; {MEND}") from None
    except OSError as error:
        raise RunFolderError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise RunFolderError(f"{file} is damaged; {MEND}") from None


def checked(
    folder: Path, name: str, use: Callable[[BufferedReader], Read], mend: str = MEND
) -> Read:
    """Return what `use` makes of a file that is as the ledger says.

    Args:
        mend: what to do where it is not.

    Raises:
        RunFolderError: it is missing, or not what was written.
    """
    file = folder / name
    for _ in range(TRIES):
        good = read(folder).get(name, [])
        try:
            with opened_in(folder, name) as handle:  # one opening: what is hashed is what is read
                if hashed(handle) in good:
                    handle.seek(0)
                    return use(handle)
        except FileNotFoundError:
            raise RunFolderError(f"{file} is missing; {mend}") from None
        except OSError as error:
            raise RunFolderError(f"{file} cannot be read: {error.strerror}") from error
        time.sleep(PAUSE_SECONDS)
    raise RunFolderError(f"{file} is damaged: it is not what shoal has written; {mend}")


def checked_part(file: Path, use: Callable[[BufferedReader], Read]) -> Read | None:
    """Return what `use` makes of a part that is as its name says; None where it is gone.

    Raises:
        RunFolderError: it is no part, or damaged.
    """
    named = PART.fullmatch(file.name)
    if named is None:
        raise RunFolderError(f"{file} is no part of this search; move it away")
    try:
        with opened_in(file.parent.parent, f"{file.parent.name}/{file.name}") as handle:
            if not hashed(handle).startswith(named[1]):
                raise RunFolderError(
                    f"{file} is damaged; remove it and run the same command again: its fits are "
                    "done again"
                )
            handle.seek(0)
            return use(handle)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunFolderError(f"{file} cannot be read: {error.strerror}") from error
