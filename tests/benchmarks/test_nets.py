"""benchmarks/nets.py compares like with like: the peers' net has the accuracies of shoal's."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import shoal

pytest.importorskip("sklearn")

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
NAMES = ("digits", "nets")
EPOCHS = 2


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, Any]]:
    """The scripts, which find each other beside themselves."""
    folders = [str(BENCHMARKS), str(BENCHMARKS / "peers")]
    sys.path[:0] = folders
    before = set(sys.modules)
    try:
        yield {name: importlib.import_module(name) for name in NAMES}
    finally:
        for folder in folders:
            sys.path.remove(folder)
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(BENCHMARKS)):
                del sys.modules[name]


def test_a_peers_net_has_the_accuracy_of_shoals(
    modules: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows, batches, initial parameters and updates, at two points of the space."""
    digits, nets = modules["digits"], modules["nets"]
    monkeypatch.setattr(nets, "EPOCHS", EPOCHS)
    nets.given_to_peers(tmp_path / "given.npz")
    fits = digits.Torch(digits.read(tmp_path / "given.npz"))
    for point in digits.drawn(2, seed=0):
        ours = shoal.fit(nets.PROBLEM, epochs=EPOCHS, **point).metrics["accuracy"]
        assert fits.accuracy(point) == pytest.approx(ours, abs=0.006)  # two rows of 357


def test_the_peers_search_the_space_of_the_problem(modules: dict[str, Any]) -> None:
    """Low and high ends, scales and choices are those of the net's class."""
    Net = importlib.import_module("net").Net

    words = {
        name: f"{low:g}:{high:g}" + (":log" if log else "")
        for name, (low, high, log) in modules["digits"].SPACE.items()
    }
    given = {name: text for name, text in Net.space.items() if name != "width"}
    assert Net.space["width"] == modules["digits"].WIDTHS
    ends = {name: [float(end) for end in text.split(":")[:2]] for name, text in given.items()}
    assert ends == {name: [float(e) for e in text.split(":")[:2]] for name, text in words.items()}
    assert [t.endswith("log") for t in given.values()] == [
        t.endswith("log") for t in words.values()
    ]
