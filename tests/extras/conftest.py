"""A Chromium without a window, spoken to by its DevTools protocol over two pipes."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SECONDS = 120.0
"""How long an answer is waited for."""


def program() -> str | None:
    """The browser of this machine, if there is one."""
    return shutil.which("chromium") or shutil.which("google-chrome")


class Browser:
    """A page in a browser.

    Attributes:
        told: what the console was told, but for what is merely information, and exceptions.
        asked: the addresses that were asked for.
    """

    def __init__(self) -> None:
        executable = program()
        assert executable is not None, "there is no chromium here: apt-get install chromium"
        self._home = tempfile.mkdtemp(prefix="shoal-browser-")
        ours, theirs = os.pipe(), os.pipe()  # to the browser, and from it

        def descriptors() -> None:
            held = [os.dup2(end, 100 + i) for i, end in enumerate((ours[0], theirs[1]))]
            for place, end in zip((3, 4), held, strict=True):
                os.dup2(end, place)

        self._process = subprocess.Popen(
            [
                executable,
                "--headless",
                "--no-sandbox",
                "--remote-debugging-pipe",
                "--enable-unsafe-swiftshader",
                "--use-angle=swiftshader",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                f"--user-data-dir={self._home}",
                "about:blank",
            ],
            close_fds=False,
            preexec_fn=descriptors,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._to, self._from = ours[1], theirs[0]
        self._numbers, self._left = itertools.count(1), b""
        self._session: str | None = None
        self.told: list[str] = []
        self.asked: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Do something; return what came of it."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + SECONDS
        while True:
            answer = self._message(until)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, address: str, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a page in a window of that size, and wait until it is loaded."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.resize(width, height)
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def resize(self, width: int, height: int) -> None:
        """Give the window another size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def value(self, script: str) -> Any:
        """Return what JavaScript says, as plain values."""
        made = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in made, made["exceptionDetails"]
        return made["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until JavaScript says so."""
        until = time.monotonic() + SECONDS
        while not self.value(script):
            assert time.monotonic() < until, f"never came true: {script}"
            time.sleep(0.05)

    def scroll(self) -> None:
        """Go through the whole page, so that all of it is drawn."""
        frames = "new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"
        place = 0
        while place < self.value("document.documentElement.scrollHeight"):
            self.value(f"scrollTo(0, {place}); {frames}")
            place += 500
        self.value(f"scrollTo(0, 0); {frames}")

    def picture(self, file: Path, whole: bool = True) -> None:
        """Write what is seen as a PNG; the whole page, or what is in the window."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(SECONDS)
        os.close(self._to)
        os.close(self._from)
        shutil.rmtree(self._home, ignore_errors=True)

    def _message(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._left:
            wait = until - time.monotonic()
            assert wait > 0, "no answer"
            if not select.select([self._from], [], [], wait)[0]:
                continue
            read = os.read(self._from, 1 << 20)
            assert read, "the browser has gone"
            self._left += read
        text, _, self._left = self._left.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                words = [str(each.get("value", each.get("description"))) for each in params["args"]]
                self.told.append(" ".join(words))
            case "Runtime.exceptionThrown":
                self.told.append(json.dumps(params["exceptionDetails"]))
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.told.append(params["entry"]["text"])
            case "Network.requestWillBeSent":
                self.asked.append(params["request"]["url"])


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A browser of the test's own."""
    made = Browser()
    try:
        yield made
    finally:
        made.close()
