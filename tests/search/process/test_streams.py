"""Standard streams that are closed, full or unread, and data that stay alone on theirs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import shoal

Shell = Callable[..., "subprocess.CompletedProcess[str]"]

SMALL = ("--trials", "8", "--steps", "20", "--engine", "inline")

TALKS = """
import ctypes
import os
import subprocess

import torch


class Talks:
    space = {"lr": "1e-3:1e-1:log"}

    def data(self):
        print("by Python", flush=True)
        print("by Python, later")
        os.write(1, b"by its file descriptor\\n")
        subprocess.run(["echo", "by a child"], check=True)
        ctypes.CDLL(None).puts(b"by C")
        return torch.linspace(-1, 1, 20)

    def initial(self, seed):
        return (torch.ones(()),)

    def loss_and_gradient(self, params, data):
        r = params[0] * data - torch.sin(data)
        return (r * r).sum(), ((2 * r * data).sum(),)
"""

BY_ITSELF = ("os.write", "subprocess.run", "ctypes.CDLL")
"""What prints without Python, and meets a full disk itself."""


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell in which $SHOAL is the command."""
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SHOAL": f"{sys.executable} -m shoal"},
    )


def test_json_is_alone_on_standard_output_whoever_prints(shell: Shell, tmp_path: Path) -> None:
    """The problem, its C code and its children print to file descriptor 1; with that, to standard
    error."""
    (tmp_path / "talks.py").write_text(TALKS)
    done = shell("run", "talks.py:Talks", *SMALL, "--out", "out", "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["states"]["complete"] == 8
    for words in ("by Python", "by Python, later", "by its file descriptor", "by a child", "by C"):
        assert words in done.stderr
    rows = shell("results", "out", "--json")
    assert len(json.loads(rows.stdout)) == 8


def test_json_of_what_fails_is_one_object_too(shell: Shell) -> None:
    """With the line of standard error and the exit code."""
    done = shell("run", "--json", "--trials", "0")
    assert done.returncode == 2
    told = json.loads(done.stdout)
    assert told["exit_code"] == 2
    assert done.stderr == f"shoal: {told['error']}\n"
    mistyped = shell("run", "--json", "--trails", "4")
    assert "--trails" in json.loads(mistyped.stdout)["error"]


@pytest.mark.long
def test_a_search_ends_whatever_becomes_of_its_streams(tmp_path: Path) -> None:
    """A full standard error costs messages alone; where the result is not printed, the exit code
    and a line say so, and the search is done."""
    plain = [line for line in TALKS.splitlines() if not line.strip().startswith(BY_ITSELF)]
    (tmp_path / "talks.py").write_text("\n".join(plain))
    run = f"$SHOAL run talks.py:Talks {' '.join(SMALL)}"
    full = shell(tmp_path, f"{run} --out a 2>/dev/full")
    assert full.returncode == 0
    assert "pandas.read_parquet" in full.stdout
    printed = shell(tmp_path, f"{run} --out b >/dev/full")
    assert printed.returncode == 1
    line = printed.stderr.splitlines()[-1]
    assert line == (
        "shoal: cannot write to standard output: No space left on device; the search is in b"
    )
    closed = shell(tmp_path, f"{run} --out c <&- >&- 2>&-")
    assert closed.returncode == 1
    for out in "abc":
        assert (tmp_path / out / "trials.parquet").exists()


@pytest.mark.parametrize("what", ["--csv -", "--json"])
def test_data_for_a_reader_that_has_gone_end_without_a_word(tmp_path: Path, what: str) -> None:
    """As of any command that writes into a pipe: exit code 141 and nothing said."""
    shoal.run(trials=3000, steps=1, engine="inline", out=tmp_path / "out", program="eager")
    done = shell(tmp_path, f"$SHOAL results out {what} | head -c 1; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == 141
    assert done.stderr == ""
