"""Text of a run folder for a terminal: what would command the terminal is replaced."""

from __future__ import annotations

import re
import unicodedata

_COMMANDS = re.compile(r"[^\n\t -~]")


def printable(text: str) -> str:
    """Return a text whose control characters, but line ends and tabs, are question marks.

    Those that turn the direction of what follows count too, and so do halves of a character. Bytes
    of a path that is not UTF-8 stay, if no terminal takes them for a command.
    """
    return _COMMANDS.sub(lambda found: _one(found[0]), text)


def _one(character: str) -> str:
    if "\udca0" <= character <= "\udcff":  # a byte, by os.fsdecode
        return character
    return "?" if unicodedata.category(character) in ("Cc", "Cf", "Cs") else character


def escaped(text: str) -> str:
    """Return JSON in which control characters that JSON allows are written as their numbers."""
    return re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text)
