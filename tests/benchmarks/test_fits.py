"""benchmarks/fits.py compares like with like: a problem and its plain loop have the same losses."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
FOLDERS = [str(BENCHMARKS), str(BENCHMARKS / "fits")]


def imported(name: str) -> Any:
    """A script of the benchmark, which finds others beside itself."""
    sys.path[:0] = FOLDERS
    try:
        return importlib.import_module(name)
    finally:
        for folder in FOLDERS:
            sys.path.remove(folder)


ROWS = imported("rows").ROWS


@pytest.fixture(scope="module")
def stacked() -> Iterator[Any]:
    """Fits by shoal and by plain loops, without a search."""
    before = set(sys.modules)
    sys.path[:0] = FOLDERS
    try:
        yield importlib.import_module("stacked")
    finally:
        for folder in FOLDERS:
            sys.path.remove(folder)
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(FOLDERS[0]):
                del sys.modules[name]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_plain_loop_fits_what_shoal_fits(stacked: Any, row: Any) -> None:
    """Two fits of different hyperparameters have the same losses at three updates, and after."""
    if "digits" in (BENCHMARKS / "fits" / f"{row.file}.py").read_text("utf-8"):
        pytest.importorskip("sklearn")
    values, ours = stacked.single(row, steps=3, fits=2)
    assert values[0] != values[1]
    plain = stacked.Plain(row, steps=3, report=1)
    for losses, given in zip(ours, values, strict=True):
        assert len(losses) == 4
        assert plain.fit(given) == pytest.approx(losses, rel=1e-4)


def test_names_are_different() -> None:
    """A row is asked for by its name."""
    assert len({row.name for row in ROWS}) == len(ROWS)
