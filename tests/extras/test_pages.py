"""Pages in a browser: all figures are drawn, nothing is told, and nothing outside is asked for."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
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


SLOW = """
import time
from pathlib import Path


def train(x):
    gate = Path(__file__).with_name("gate")
    while x > 0.5 and not gate.exists():
        time.sleep(0.05)
    yield {"loss": x}
"""


def test_a_page_follows_a_search(browser: Any, tmp_path: Path) -> None:
    """It shows what has come meanwhile, without being loaded again."""
    (tmp_path / "gate").touch()
    (tmp_path / "slow.py").write_text(SLOW)
    shoal_ = [sys.executable, "-m", "shoal"]
    asked = ["slow.py:train", "--space", "x=0:1", "--trials", "12", "--engine", "inline"]
    out = ["--out", "run", "--sampler", "qmc", "--workers", "1", "--trust"]
    (tmp_path / "gate").unlink()
    search = subprocess.Popen([*shoal_, "run", *asked, *out, "--quiet"], cwd=tmp_path)
    try:
        while not (tmp_path / "run" / "search.toml").exists():
            assert search.poll() is None
            time.sleep(0.1)
        watch = subprocess.Popen(
            [*shoal_, "watch", "run"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        try:
            assert watch.stdout is not None
            address = watch.stdout.readline().split()[1]
            browser.open(address)
            standing = "document.getElementById('standing').textContent"
            browser.until(f"{standing}.includes(' of 12 fits have ended')")
            assert not browser.value(standing).startswith("12")
            browser.scroll()
            (tmp_path / "gate").touch()
            browser.until(f"{standing}.startsWith('12 of 12')")
            browser.until("document.body.innerText.includes('12 of 12')")
            browser.until(f"{FIGURES}.every(each => each.querySelector('.main-svg'))")
            points = "document.querySelector('[data-figure=\"history/all\"]').data[0].x"
            browser.until(f"JSON.stringify(Object.keys({points})).length > 0")
            browser.picture(tmp_path / "live.png", whole=False)
            assert browser.told == []
            ours = address.rpartition("/")[0]
            own = [each for each in browser.asked if each.startswith("http")]
            assert all(each.startswith(ours) for each in own)
        finally:
            watch.send_signal(signal.SIGINT)
            assert watch.wait(60) == 130
            watch.stdout.close()
        assert search.wait(120) == 0
    finally:
        search.kill()
        search.wait()
