"""Text for a terminal: its width, tables, and numbers with their units."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

MORE = "…"


def width() -> int:
    """Return how many characters a line of the terminal has; 80 where there is none."""
    return shutil.get_terminal_size().columns


def cut(line: str, most: int) -> str:
    """Return a line of `most` characters at the most; where some are left out, it says so."""
    return line if len(line) <= most else line[: max(0, most - 1)] + MORE


def table(rows: Sequence[Sequence[str]], left: int = 1, most: int | None = None) -> str:
    """Return rows of cells as lines, the first row being the head.

    Args:
        left: how many columns begin at their left edge; the others end at their right one.
        most: characters of a line; None: any number. The last column is cut.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(wide) if i < left else cell.rjust(wide)
            for i, (cell, wide) in enumerate(zip(row, widths, strict=True))
        ]
        line = "  ".join(cells).rstrip()
        lines.append(line if most is None else cut(line, most))
    return "\n".join(lines)


def size(count: int) -> str:
    """Return a number of bytes, in powers of 1000 as disks are sold."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:,.3g} TB"


def age(seconds: float) -> str:
    """Return how long ago something was, in its largest unit."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def short(value: object) -> str:
    """Return a value of a table as text: of a float nine digits, which float32 has at the most."""
    return f"{value:.9g}" if isinstance(value, float) else str(value)
