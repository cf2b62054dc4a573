"""TensorFlow as it stands in README.md: the example, beside Ray, torch and numpy."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import shoal

pytestmark = [
    pytest.mark.extras,
    pytest.mark.skipif(sys.version_info >= (3, 14), reason="TensorFlow 2.21 has no Python 3.14"),
]

ROOT = Path(__file__).parent.parent.parent


def test_keras_has_the_same_table_on_two_workers_and_on_one(
    shell: Callable[..., Any], tmp_path: Path, same_table: Callable[[Path, Path], None]
) -> None:
    """By the command of README.md: in processes that are used again, and in one for each call."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    text = (ROOT / "README.md").read_text("utf-8")
    (command,) = re.findall(r"^shoal run examples/digits_keras.py:.*$", text, re.MULTILINE)
    words = shlex.split(command)[1:]
    out = words[words.index("--out") + 1]
    for more in (["--workers", 2], ["--workers", 1, "--fresh", "--out", "alone"]):
        done = shell(*words, *more, "--quiet", timeout=600)
        assert done.returncode == 0, done.stderr
    same_table(tmp_path / out, tmp_path / "alone")
    result = shoal.load(tmp_path / out)
    assert result.states()["complete"] == result.asked
    assert result.best["accuracy"] > 0.8
    assert result.curves["step"].max() == 3
