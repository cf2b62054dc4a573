"""The engine without Ray: what it leaves as it was, and what its threads say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import search

SCRIPT = """
import gc, sys
from search.command import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print(end.code, gc.isenabled(), file=sys.stderr)
"""


def test_the_process_has_its_threads_back(tmp_path: Path) -> None:
    """Workers leave torch one thread each; whoever called goes on with as many as before."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        search.run(trials=16, steps=20, out=tmp_path / "out", engine="inline", workers=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_what_each_worker_would_tell_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no place to keep a compiled program: it runs uncompiled, in all three threads."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("SHOAL_CACHE", str(tmp_path / "file" / "cache"))
    search.run(
        trials=48, steps=20, round=24, pack=4, out=tmp_path / "out", engine="inline", workers=3,
        program="compiled", progress=True,
    )  # fmt: skip
    assert capsys.readouterr().err.count("it runs uncompiled, which is slower") == 1


def test_time_is_shared_by_name_and_garbage_is_collected_again(tmp_path: Path) -> None:
    """Without Ray no time is Ray Tune's; start-up alone goes without collecting."""
    words = ["run", "--trials", "16", "--steps", "20", "--json", "--engine", "inline"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], cwd=tmp_path, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == "0 True"
    parts = set(json.loads(done.stdout)["seconds"])
    assert parts == {"start-up", "sampling", "fitting", "threads", "run folder", "waiting"}
