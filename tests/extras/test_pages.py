"""Pages in a browser: all figures are drawn, nothing is told, and nothing outside is asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import shoal

pytestmark = pytest.mark.extras

Commands = Callable[..., "subprocess.CompletedProcess[str]"]

WORD = "<b onclick=alert(1)>x</b>"

OWN = f"""
def train(lr, way={WORD!r}, width=4, momentum=0.5):
    if lr > 0.8:
        raise ValueError("<img src=x onerror=document.title='taken'> & more")
    for step in range(6):
        bad = lr > 0.6 and step > 2
        yield {{"loss": float("inf") if bad else lr * width / (step + 1), "accuracy": 1 - lr}}
"""

FIGURES = "[...document.querySelectorAll('.figure')].filter(each => !each.hidden)"

CANVASES = """
[...document.querySelectorAll('canvas')].filter(each => each.width && each.height).map(each => {
  const copy = document.createElement('canvas');
  [copy.width, copy.height] = [each.width, each.height];
  const plane = copy.getContext('2d');
  plane.drawImage(each, 0, 0);
  return plane.getImageData(0, 0, copy.width, copy.height).data.some(each => each !== 0);
})
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, commands: Commands) -> Path:
    """A folder with pages: of a search with all that can happen, of none, and of two compared."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "own.py").write_text(OWN)
    for seed in (0, 1):
        shoal.run(
            f"{folder}/own.py:train",
            space={"lr": "0:1", "way": [WORD, "plain"], "width": [2, 4], "momentum": "0:1"},
            trials=30,
            seed=seed,
            sampler="random",
            engine="inline",
            out=folder / f"own{seed}",
        )
    for words in (["own0"], ["own0", "own1"]):
        done = commands(["report", *words], folder, timeout=300)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("name", ["own0", "own0-own1"])
def test_each_figure_is_drawn(
    pages: Path, browser: Any, tmp_path: Path, name: str, width: int, dark: bool
) -> None:
    """In a wide window and in that of a telephone, by day and by night."""
    browser.open(f"file://{pages}/{name}.html", width=width, dark=dark)
    browser.scroll()
    browser.until(f"{FIGURES}.every(each => each.querySelector('.main-svg'))")
    count = browser.value(f"{FIGURES}.length")
    assert count >= (15 if name == "own0" else 5)
    widths = browser.value(f"{FIGURES}.map(each => each.querySelector('.main-svg').clientWidth)")
    assert min(widths) > 200
    if name == "own0":
        browser.until(f"{CANVASES}.length && {CANVASES}.some(each => each)")
    assert browser.value("document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.told == []
    outside = [each for each in browser.asked if not each.startswith(("file:", "data:", "blob:"))]
    assert outside == []
    browser.picture(tmp_path / "page.png", whole=False)
    assert (tmp_path / "page.png").stat().st_size > 10_000


def test_text_of_the_user_stays_text(pages: Path, browser: Any) -> None:
    """Errors and choices that are written like HTML make no element."""
    browser.open(f"file://{pages}/own0.html")
    browser.scroll()
    browser.until(f"{FIGURES}.every(each => each.querySelector('.main-svg'))")
    assert browser.value("document.title") == "own0, a search"
    assert browser.value("document.querySelectorAll('main img, [onclick], [onerror]').length") == 0
    assert "<img src=x" in browser.value("document.getElementById('failures').innerText")
    assert WORD[:20] in browser.value("document.getElementById('parallel').textContent")
    assert WORD[:20] in browser.value("document.getElementById('hyperparameters').textContent")
