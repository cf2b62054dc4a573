"""Source lines of the user's files as they were executed, for tracebacks, even if a file
changed."""

from __future__ import annotations

import linecache
import traceback
from importlib.util import decode_source
from pathlib import Path


def show(path: str, content: bytes) -> None:
    """Make tracebacks and ``inspect`` show `content` as the text of the file `path`."""
    linecache.checkcache(path)
    try:
        if Path(path).read_bytes() == content:
            return
    except OSError:
        pass  # gone, or not on this host
    _pin(path, content)


def forget(path: str) -> None:
    """Read the text of a file from the disk again."""
    linecache.cache.pop(path, None)


def traceback_of(error: BaseException) -> str:
    """Return the traceback of `error` with the lines that were executed, even if files changed."""
    pinned: dict[str, object] = {}
    for path, content in _ran(error).items():
        pinned[path] = linecache.cache.get(path)
        _pin(path, content)
    try:
        return "".join(traceback.format_exception(error))
    finally:
        for path, before in pinned.items():
            linecache.cache.pop(path, None)
            if before is not None:
                linecache.cache[path] = before  # type: ignore[assignment]  # an entry of the cache, put back


def _ran(error: BaseException | None) -> dict[str, bytes]:
    """Return path and content of each of the user's files in the traceback of `error`."""
    found: dict[str, bytes] = {}
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        step = error.__traceback__
        while step is not None:
            content = getattr(step.tb_frame.f_globals.get("__loader__"), "ran", None)
            if isinstance(content, bytes):
                found[step.tb_frame.f_code.co_filename] = content
            step = step.tb_next
        error = error.__cause__ or error.__context__
    return found


def _pin(path: str, content: bytes) -> None:
    try:
        text = decode_source(content)
    except (SyntaxError, UnicodeDecodeError):
        return
    linecache.cache[path] = (len(content), None, text.splitlines(keepends=True), path)
