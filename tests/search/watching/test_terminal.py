"""The live line on a terminal."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest

from shoal.search.request import Objective
from shoal.search.watching.observer import Best, Status
from shoal.search.watching.terminal import Live


class Terminal(io.StringIO):
    """A terminal of some columns."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.01, "900 fits/s"), (3.0, "3.0 fits/s"), (90.0, "6 fits/min")]
)
def test_few_fits_are_counted_by_the_minute(seconds: float, said: str) -> None:
    """None is told as 0 fits a second."""
    best = Best(Objective())
    status = Status(done=9, total=10, begun=0, unit="trials", best=best, seconds=seconds)
    assert f", {said}, " in status.line()


def test_it_moves_from_the_beginning_and_is_one_line_of_the_terminal(
    monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]
) -> None:
    """Before a fit has ended it says what is being done; then how far it is, cut to the width."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    live = Live(stream)
    live.doing("starting Ray Tune")
    eventually(lambda: len(set(re.findall(r"[-\\|/] starting Ray Tune", stream.getvalue()))) > 1)
    best = Best(Objective(name="validation_loss"))
    best.value = 0.123456
    live.status(Status(done=9, total=1000, begun=0, unit="trials", best=best, seconds=1.0))
    live.end()
    text = stream.getvalue()
    assert "9/1,000 trials, best validation_loss 0.…" in text
    assert "\x1b[1A" not in text  # it never was two lines
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert max(map(len, re.split(r"[\r\n]", plain))) <= 40
