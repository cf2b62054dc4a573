"""What all kernels begin with."""

from __future__ import annotations

from pathlib import Path

PRELUDE = "\n".join(
    Path(__file__).with_name(name).read_text(encoding="utf-8")
    for name in ("prelude.hpp", "arrays.hpp")
)
"""The text of ``prelude.hpp`` and ``arrays.hpp``, after definitions of REAL and INTEGER."""
