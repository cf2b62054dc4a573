"""Files that others may have put in place: read if they are plain, and never waited for."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

MOST_BYTES = 1 << 20


def read_plain(file: Path) -> bytes | None:
    """Return the first MiB of a plain file; None where there is none, or a link, a pipe, a device
    or a folder in its place."""
    with suppress(OSError, ValueError):
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if stat.S_ISREG(os.fstat(handle).st_mode):
                return os.read(handle, MOST_BYTES)
        finally:
            os.close(handle)
    return None
