"""A Ray cluster inside a SLURM allocation."""

from __future__ import annotations

__all__: list[str] = []
