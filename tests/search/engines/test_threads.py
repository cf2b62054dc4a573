"""The engine without Ray: what it leaves as it was, and what its threads say."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import shoal
from shoal.search.engines import threads
from shoal.search.engines.engine import Trust
from shoal.search.engines.threads import run_inline
from shoal.trainable.task import Outcome

SCRIPT = """
import gc, sys
from shoal.search.command.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print(end.code, gc.isenabled(), file=sys.stderr)
"""


COUNTED = """
from pathlib import Path

import torch


class Counted:
    space = {"lr": "1e-3:1e-1:log"}

    def data(self):
        return torch.linspace(0, 1, 10)

    def initial(self, seed):
        Path(__file__).with_name("threads").write_text(str(torch.get_num_threads()))
        return (torch.ones(()),)

    def loss_and_gradient(self, params, data):
        r = params[0] * data - 1
        return (r * r).sum(), ((2 * r * data).sum(),)
"""
"""A problem that notes, beside its file, how many threads torch has where it is fitted."""


def test_the_process_has_its_threads_back(tmp_path: Path) -> None:
    """Workers leave torch one thread, also to threads that begin later; whoever called goes on with
    as many as before, here and in those."""
    (tmp_path / "counted.py").write_text(COUNTED)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        problem = f"{tmp_path}/counted.py:Counted"
        shoal.run(problem, trials=16, steps=20, out=tmp_path / "out", engine="inline", workers=2)
        assert (tmp_path / "threads").read_text() == "1"
        with ThreadPoolExecutor(1) as later:
            assert later.submit(torch.get_num_threads).result() == torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_time_is_shared_by_name_and_garbage_is_collected_again(tmp_path: Path) -> None:
    """Without Ray no time is Ray Tune's; start-up alone goes without collecting."""
    words = ["run", "--trials", "16", "--steps", "20", "--json", "--engine", "inline"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "0 True"
    parts = set(json.loads(done.stdout)["seconds"])
    assert parts == {"start-up", "sampling", "fitting", "threads", "run folder", "waiting"}


class Driver:
    """A driver with one pack for one worker, which is over once it has come back."""

    def __init__(self) -> None:
        self.recipe: Any = SimpleNamespace(of_slot=lambda slot, gpus: None)
        self.rounds: Any = self
        self.over, self.ticks = False, 0
        self.left: list[Any] = [self]
        self.seen = threading.Event()

    def take(self, timeout: float) -> Any:
        """The pack, the first time."""
        return self.left.pop() if self.left else None

    name = "pack"

    def task(self, pack: Any) -> Any:
        """Nothing but itself."""
        return pack

    def trust(self, pack: Any) -> Trust:
        """In a thread."""
        return Trust.FULL

    def tick(self, slots: int) -> None:
        """Three ticks, and the pack may end."""
        self.ticks += 1
        if self.ticks == 3:
            self.seen.set()

    def stopped(self) -> bool:
        """Never."""
        return False

    def given(self, pack: Any, outcome: Any, held: float) -> None:
        """The end."""
        self.over = True


@pytest.mark.parametrize("workers", [1, 2])
def test_the_driver_looks_up_while_packs_run(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """For time limits and the live line, also where a worker is idle; but not each time that it
    looks for a pack for that one, since it reads a file."""
    driver = Driver()

    class Waiting:
        def __init__(self, recipe: Any) -> None:
            pass

        def close(self) -> None:
            pass

        def run(self, task: Any, stop: Any, halt: Any, at_once: Any) -> Any:
            driver.seen.wait(timeout=120)
            return Outcome(fitted=None, node="", device="cpu", started=0.0, seconds=0.0)

    monkeypatch.setattr(threads, "Worker", Waiting)
    run_inline(driver, workers)  # type: ignore[arg-type]  # a stand-in
    assert driver.seen.is_set()
    assert driver.ticks < 8


def test_a_search_that_is_to_stop_raises_the_flag_of_its_kernels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the pack runs, which would else end no sooner."""
    driver, up = Driver(), []
    monkeypatch.setattr(driver, "stopped", driver.seen.is_set)

    class Deaf:
        def __init__(self, recipe: Any) -> None:
            pass

        def close(self) -> None:
            pass

        def run(self, task: Any, stop: Any, halt: Any, at_once: Any) -> Any:
            driver.seen.set()
            for _ in range(3000):
                if halt.address.contents.value:
                    break
                time.sleep(0.01)
            up.append(halt.address.contents.value)
            return Outcome(fitted=None, node="", device="cpu", started=0.0, seconds=0.0)

    monkeypatch.setattr(threads, "Worker", Deaf)
    run_inline(driver, 1)  # type: ignore[arg-type]  # a stand-in
    assert up == [1]
