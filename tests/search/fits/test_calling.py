"""One call of a function, without a run folder: shoal fit own.py:train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import shoal

OWN = """
def train(lr, width=4, *, seed=0, checkpoint):
    (checkpoint / "state").write_text("kept")
    print("width", width)
    if lr > 0.9:
        raise ValueError("too large")
    for step in range(1, 3):
        yield {"step": step, "loss": lr * width / step, "seed": seed}

train.space = {"width": [8, 16]}
"""


def test_a_function_is_called_once(shell: Callable[..., Any], tmp_path: Path) -> None:
    """With its own defaults where nothing is typed; it says what is wrong in a line, and leaves
    nothing."""
    (tmp_path / "own.py").write_text(OWN)
    done = shell("fit", "own.py:train", "lr=0.5", "--seed", 3)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "width 4",
        "1 loss 2.0 seed 3.0",
        "2 loss 1.0 seed 3.0",
        "complete: loss 1, seed 3",
    ]
    space = {"lr": 0.5, "width": 4}
    result = shoal.run(f"{tmp_path}/own.py:train", space=space, trials=1, out=tmp_path / "run")
    assert result.best["loss"] == 1.0
    wrong = {
        ("lr=0.95",): (1, "ValueError: too large"),
        (): (2, "train has no default for lr; add lr=VALUE"),
        ("lr=0:1",): (2, "lr=0.0:1.0: fit takes one value; shoal run searches"),
        ("lr=0.5", "depth=2"): (2, "unknown hyperparameter 'depth'"),
        ("lr=0.5", "--steps", "5"): (2, "--steps is of problems that shoal fits"),
    }
    for words, (code, told) in wrong.items():
        done = shell("fit", "own.py:train", *words)
        assert (done.returncode, told in done.stderr.splitlines()[-1]) == (code, True), done.stderr
        assert ("raise ValueError" in done.stdout) == (code == 1)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["own.py", "run"]
