"""What `shoal export` stores, in optuna-dashboard and in a browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import shoal

pytestmark = pytest.mark.extras

OWN = """
def train(lr, width=4):
    if lr > 0.9:
        raise ValueError("too large")
    for step in range(3):
        yield {"loss": float("inf") if lr > 0.7 and step else lr * width / (step + 1)}
"""

SERVER = """
import sys
from wsgiref.simple_server import make_server
import optuna_dashboard
server = make_server("127.0.0.1", 0, optuna_dashboard.wsgi(sys.argv[1]))
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, commands: Callable[..., Any]) -> Path:
    """A folder with a search of trials of each kind, exported in both ways."""
    folder = tmp_path_factory.mktemp("stored")
    (folder / "own.py").write_text(OWN)
    space = {"lr": "0:1", "width": "2:64:int:log"}
    asked: dict[str, Any] = {"space": space, "trials": 23, "sampler": "qmc", "engine": "inline"}
    shoal.run(f"{folder}/own.py:train", **asked, out=folder / "own")
    for storage in ("journal:x.log", "sqlite:///x.db"):
        done = commands(["export", "own", "--storage", storage], folder, timeout=300)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("storage", ["x.log", "sqlite:///x.db"])
def test_the_dashboard_shows_each_trial(stored: Path, browser: Any, storage: str) -> None:
    """Their number, their states, the best one and its hyperparameters; no error is told."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, storage],
        cwd=stored,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        top = f"http://127.0.0.1:{int(server.stdout.readline())}/dashboard"
        browser.open(top)
        browser.until("[...document.querySelectorAll('a')].some(a => a.href.includes('/studies/'))")
        links = "[...document.querySelectorAll('a')].map(a => a.href)"
        (study,) = {
            link.partition("/studies/")[2].partition("/")[0]
            for link in browser.value(links)
            if "/studies/" in link
        }
        text = "document.body.innerText"
        browser.open(f"{top}/studies/{study}/trials", height=4000)
        browser.until(f"{text}.includes('23 Trials')")
        browser.until(f"{text}.includes('Trial 22')")
        result = shoal.load(stored / "own")
        failed = result.states()["failed"]
        assert failed > 0
        assert browser.value(f"({text}.match(/^Fail$/gm) || []).length") == failed
        browser.open(f"{top}/studies/{study}")
        best = result.best
        browser.until(f"{text}.includes('Best Trial (number={best['trial']})')")
        shown = browser.value(text)
        assert f"lr: {best['lr']}" in shown
        assert f"width: {best['width']}" in shown
        assert browser.told == []
    finally:
        server.kill()
        server.wait()
        assert server.stdout is not None
        server.stdout.close()
