r"""Printing of characters that a stream's encoding lacks: never an error, as the search is done.

A path that is not UTF-8 is printed as the bytes that it is, as ``ls`` does; any other character
that the terminal's encoding lacks as ``\uXXXX``.
"""

from __future__ import annotations

import codecs
import io
import sys

NAME = "shoal-bytes"


def print_anything() -> None:
    """Let standard output and error accept any text."""
    codecs.register_error(NAME, _as_bytes)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors != "backslashreplace":
            stream.reconfigure(errors=NAME)


def _as_bytes(error: UnicodeError) -> tuple[str | bytes, int]:
    """Handle an encoding error (`codecs.register_error`)."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":  # a byte of a path, by os.fsdecode
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return character.encode("ascii", "backslashreplace").decode("ascii"), error.start + 1
