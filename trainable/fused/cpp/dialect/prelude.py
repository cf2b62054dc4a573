"""What all kernels begin with."""

from __future__ import annotations

from pathlib import Path

PRELUDE = Path(__file__).with_name("prelude.hpp").read_text(encoding="utf-8")
"""The text of ``prelude.hpp``, after definitions of REAL and INTEGER."""
