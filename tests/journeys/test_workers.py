"""Workers: what happens when one is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import ray

import shoal

WATCHED = """
import os, time, torch

begun = 0

class Watched:
    space = {{"lr": "0.0001:0.0004", "scale": "0.5:2"}}

    def data(self):
        return torch.linspace(-1, 1, 2000)

    def initial(self, seed, scale):
        global begun
        begun += 1
        with open({log!r}, "a") as file:
            file.write(f"{{os.getpid()}}\\n")
        while os.getpid() != {driver} and begun > {held} and not os.path.exists({gate!r}):
            time.sleep(0.01)
        return (scale * torch.ones(()),)

    def loss_and_gradient(self, params, data):
        r = params[0] * data - torch.sin(data)
        return (r * r).sum(), ((2 * r * data).sum(),)
"""
"""A problem whose initial parameters note which process made them, a line for each lane. A worker
waits within its fourth pack until the gate is there."""

LANES = 32
SECONDS = 300


@pytest.mark.long
@pytest.mark.usefixtures("one_ray")
def test_a_killed_worker_costs_its_pack_alone_and_is_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker killed in mid-pack: its pack runs again, every trial is there once, and a new worker
    takes packs too. The others wait until it has come, however slow the machine is."""
    log, gate, problem = tmp_path / "log", tmp_path / "gate", tmp_path / "watched.py"
    problem.write_text(
        WATCHED.format(log=str(log), gate=str(gate), driver=os.getpid(), held=3 * LANES)
    )
    asked: dict[str, Any] = {
        "problem": f"{problem}:Watched",
        "trials": 48 * LANES,
        "steps": 1500,
        "seed": 5,
        "sampler": "random",
        "round": 8 * LANES,
        "pack": LANES,
        "block": LANES,
        "engine": "ray",
        "workers": 2,
        "program": "eager",
    }
    killed: list[int] = []

    def come(workers: int, lanes: int) -> bool:
        """Waits until so many workers have begun so many lanes each."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            begun = by_worker(log)
            if len(begun) >= workers and min(begun.values()) >= lanes:
                return True
            time.sleep(0.01)
        return False

    def kill_one() -> None:
        if come(2, 2 * LANES):
            killed.append(next(iter(by_worker(log))))
            os.kill(killed[0], signal.SIGKILL)
            come(3, 1)
        gate.touch()

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    out = tmp_path / "out"
    trials = shoal.run(**asked, out=out, progress=True).trials
    killer.join()
    assert killed, "no worker was there to be killed"
    assert capsys.readouterr().err.count("their worker died; they run again\n") == 1
    assert trials["trial"].tolist() == list(range(48 * LANES))
    assert set(trials["state"]) == {"complete"}
    packs = {pid: count // LANES for pid, count in by_worker(log).items()}
    new = [pid for pid in packs if pid not in list(packs)[:2]]
    assert len(new) == 1, packs
    assert packs[new[0]] >= 5, packs


def by_worker(log: Path) -> Counter[int]:
    """Lanes begun by each worker's process, in the order in which they came."""
    lines = log.read_text().split() if log.exists() else []
    return Counter(int(line) for line in lines if int(line) != os.getpid())


@pytest.mark.long
@pytest.mark.usefixtures("one_ray")
def test_workers_that_do_not_come_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a Ray whose CPUs are all taken the search says so after 20 s, and waits on; it
    begins as soon as one is free."""

    @ray.remote(num_cpus=4)
    class Hog:
        def ready(self) -> bool:
            return True

    hog = Hog.remote()
    ray.get(hog.ready.remote())
    said: list[str] = []

    def let_go() -> None:
        for _ in range(900):
            said.append(capsys.readouterr().err)
            if "no worker has started" in "".join(said):
                break
            time.sleep(0.1)
        ray.kill(hog)

    helper = threading.Thread(target=let_go, daemon=True)
    helper.start()
    result = shoal.run(trials=8, steps=5, out=tmp_path / "out", engine="ray", progress=True)
    helper.join()
    assert "no worker has started in 20 s: 0 of 4 CPUs are free; waiting on\n" in "".join(said)
    assert len(result.trials) == 8
