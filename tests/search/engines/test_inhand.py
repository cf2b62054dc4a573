"""What the contract tells of a problem that breaks no promise reaches the user."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoal.search.command.main import main

COUNTS = """
import torch

class P:
    space = {"lr": "1e-3:1e-1:log"}
    calls = 0

    def data(self):
        return torch.linspace(0, 1, 10)

    def initial(self, seed):
        return (torch.ones(()),)

    def loss_and_gradient(self, params, data):
        w, = params
        self.calls += 1
        r = w * data - 1
        return (r * r).sum(), ((2 * r * data).sum(),)
"""


@pytest.mark.parametrize(
    "words",
    [
        ["run", "counts.py:P", "--trials", "2", "--steps", "3", "--engine", "inline", "--out", "a"],
        ["fit", "counts.py:P", "lr=0.01", "--steps", "3"],
    ],
    ids=lambda words: words[0],
)
def test_a_note_is_a_line_on_standard_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    """`shoal run` and `shoal fit` both say it, and go on."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "counts.py").write_text(COUNTS)
    with pytest.raises(SystemExit, match=r"^0$"):
        main.main(args=words)
    out, err = capsys.readouterr()
    assert "self.calls changes with each call" in err
    assert "self.calls" not in out
