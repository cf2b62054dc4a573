"""``shoal report``, as it is typed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import shoal

Commands = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small searches, of which one has another objective."""
    folder = tmp_path_factory.mktemp("runs")
    for seed, name in enumerate(("one", "two")):
        shoal.run(
            "cubic-sine",
            space={"lr": "1e-8:1e-4:log"},
            trials=20,
            steps=20,
            seed=seed,
            engine="inline",
            out=folder / name,
        )
    (folder / "own.py").write_text("def train(x):\n    return {'accuracy': x}\n")
    shoal.run(
        f"{folder}/own.py:train",
        space={"x": "0:1"},
        objective="accuracy:max",
        trials=2,
        engine="inline",
        out=folder / "other",
    )
    return folder


def test_a_page_is_written_and_written_again(
    runs: Path, commands: Commands, tmp_path: Path
) -> None:
    """Under the folder's name, where the user stands; nothing is left beside it."""
    for _ in range(2):
        done = commands(["report", str(runs / "one")], tmp_path, timeout=300)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("page    ")
        assert "one.html (" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["one.html"]
    assert "<h2>Parallel coordinates</h2>" in (tmp_path / "one.html").read_text("utf-8")


def test_searches_are_compared(runs: Path, commands: Commands, tmp_path: Path) -> None:
    """The best of each stands in one table, and what was asked differently in another."""
    words = ["report", str(runs / "one"), str(runs / "two"), "--output", "both.html"]
    done = commands(words, tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "both.html").read_text("utf-8")
    for name in ("one", "two"):
        best = shoal.load(runs / name).best
        assert f"<td>{name}</td><td>{best['loss']:.9g}</td>" in page
    assert "<td>seed</td><td>0</td><td>1</td>" in page


def test_what_cannot_be_done_is_one_line(runs: Path, commands: Commands, tmp_path: Path) -> None:
    """And nothing is written."""
    (tmp_path / "mine.html").write_text("mine")
    wrong = {
        (str(runs / "none"),): "does not exist",
        (str(runs / "one"), str(runs / "other")): "different objectives",
        (str(runs / "one"), str(runs / "one")): "named twice",
        (str(runs / "one"), "--output", "mine.html"): "mine.html is there, and is no page of shoal",
        (str(runs / "one"), "--output", "no/a.html"): "there is no folder",
        (): "Missing argument",
    }
    for words, message in wrong.items():
        done = commands(["report", *words], tmp_path, timeout=300)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.html"]
    assert (tmp_path / "mine.html").read_text() == "mine"
