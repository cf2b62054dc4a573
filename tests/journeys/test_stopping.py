"""Searches that end early and go on: signals, time budgets, killed workers, memory at its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas
import pytest

import shoal
from shoal.search.process.stopping import Reason, Stop, listening

Same = Callable[[Path, Path], None]
Eventually = Callable[..., None]

SLOW: dict[str, Any] = {
    "trials": 12,
    "steps": 20000,
    "round": 12,
    "pack": 6,
    "sampler": "random",
    "report": 5000,
    "program": "eager",
}
"""Two packs of several seconds, with chunks of steps that take long; compiled, they would be over
before anything could befall them."""

FLAGS = [word for name, value in SLOW.items() for word in (f"--{name}", str(value))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The search in one go."""
    out = tmp_path_factory.mktemp("whole") / "out"
    shoal.run(**SLOW, out=out, engine="inline")
    return out


def begun(folder: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    """A search that has been fitting for a second; it is a session of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "shoal", "run", *FLAGS, *words, "--quiet", "--out", "out"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    lock = folder / "out/.lock"
    while process.poll() is None and not lock.exists():
        time.sleep(0.02)
    time.sleep(1.5)
    return process


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        pytest.param(signal.SIGTERM, 143, "told to end", marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, 129, "the terminal was closed", marks=pytest.mark.long),
        (signal.SIGUSR1, 75, "told to save"),
    ],
)
def test_a_signal_saves_what_is_in_flight(
    tmp_path: Path, whole: Path, same_table: Same, number: int, code: int, word: str
) -> None:
    """In the middle of a long chunk of steps; the pack goes on from there to the same bits."""
    process = begun(tmp_path, "--engine", "inline")
    process.send_signal(number)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == code, errors
    told = f"shoal: {word}, fits of 1 worker saved; shoal run --out out goes on"
    assert errors.splitlines()[-1] == told
    assert len(list((tmp_path / "out/packs").glob("*.pt"))) == 1
    result = shoal.run(out=tmp_path / "out", engine="inline")
    same_table(whole, tmp_path / "out")
    longest = result.trials.groupby("pack")["seconds"].sum().max()
    assert longest > 1.0, "the seconds before the checkpoint are counted"
    assert not list((tmp_path / "out/packs").iterdir())


@pytest.mark.long
def test_ctrl_c_twice_ends_at_once_and_loses_nothing(
    tmp_path: Path, whole: Path, same_table: Same, eventually: Eventually
) -> None:
    """Also where it reaches every process of the terminal, Ray's too."""
    process = begun(tmp_path, "--engine", "ray", "--workers", "2", "--checkpoint", "0.2s")
    eventually(lambda: list((tmp_path / "out/packs").glob("*.pt")))
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1].endswith("shoal run --out out goes on")
    shoal.run(out=tmp_path / "out", engine="inline")
    same_table(whole, tmp_path / "out")


DAWDLE = """
import os, time
import torch

class Dawdle:
    space = {"lr": "1e-3:1e-1:log"}

    def data(self):
        self.wait("data")
        return torch.linspace(0, 1, 10)

    def initial(self, seed):
        if os.path.exists("out/search.toml"):
            self.wait("initial")
        return (torch.ones(()),)

    def loss_and_gradient(self, params, data):
        r = params[0] * data - 1
        return (r * r).sum(), ((2 * r * data).sum(),)

    def wait(self, method):
        if os.environ["DAWDLES"] == method:
            open("here", "w").close()
            time.sleep(60)
"""


def dawdling(folder: Path, method: str) -> subprocess.Popen[str]:
    """A search in a call of the problem that takes a minute."""
    (folder / "dawdle.py").write_text(DAWDLE)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "shoal",
            "run",
            "dawdle.py:Dawdle",
            "--trials",
            "4",
            "--steps",
            "10",
            "--replicates",
            "2",
            "--engine",
            "inline",
            "--quiet",
            "--out",
            "out",
        ],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DAWDLES": method},
    )
    while process.poll() is None and not (folder / "here").exists():
        time.sleep(0.02)
    return process


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGUSR1, 76), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)],
)
def test_a_signal_while_the_problem_is_tried_out_is_no_mistake_of_it(
    tmp_path: Path, number: int, code: int
) -> None:
    """Exit code 2 would end a batch job that is to begin again."""
    process = dawdling(tmp_path, "data")
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode in (code, -number), errors
    assert len(errors.splitlines()) == 1
    assert "dawdle.py" not in errors


def test_ctrl_c_twice_waits_for_no_call_of_the_problem(tmp_path: Path) -> None:
    """The first waits for it, since what is in flight is to be saved."""
    process = dawdling(tmp_path, "initial")
    process.send_signal(signal.SIGINT)
    time.sleep(1.0)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "shoal: interrupted; shoal run --out out goes on"
    assert not list((tmp_path / "out/.lock").glob("*/*.json")), "others may follow at once"


def test_a_signal_reaches_packs_on_ray(
    tmp_path: Path, whole: Path, same_table: Same, eventually: Eventually
) -> None:
    """Packs in flight are saved by their workers, and go on inline. The whole process group is
    told, as ``timeout`` and a shell tell it: Ray's processes are not in it."""
    process = begun(tmp_path, "--engine", "ray", "--workers", "2", "--checkpoint", "0.2s")
    eventually(lambda: list((tmp_path / "out/packs").glob("*.pt")))
    os.killpg(process.pid, signal.SIGUSR1)
    _, errors = process.communicate(timeout=40)
    assert process.returncode == 75, errors
    assert re.search(r"told to save, fits of [12] workers? saved; shoal run --out out", errors)
    shoal.run(out=tmp_path / "out", engine="inline")
    same_table(whole, tmp_path / "out")


@pytest.mark.parametrize("name", ["gcs_server", pytest.param("raylet", marks=pytest.mark.long)])
def test_a_ray_whose_process_is_killed_ends_the_search_with_a_line(
    tmp_path: Path, whole: Path, same_table: Same, eventually: Eventually, name: str
) -> None:
    """Ray itself would wait for a minute, and then end the program by its own words."""
    process = begun(tmp_path, "--engine", "ray", "--workers", "1", "--checkpoint", "0.2s")
    eventually(lambda: list((tmp_path / "out/packs").glob("*.pt")))
    os.kill(child(process.pid, name), signal.SIGKILL)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 1, errors
    assert errors.endswith(f"shoal: Ray went away: its process {name} has ended (SIGKILL)\n")
    shoal.run(out=tmp_path / "out", engine="inline")
    same_table(whole, tmp_path / "out")


def child(parent: int, name: str) -> int:
    """The process id of the child that runs the program of that name."""
    for number in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if Path(f"/proc/{number}/exe").resolve().name == name:
            return int(number)
    raise LookupError(name)


@pytest.mark.long
def test_sigterm_while_ray_starts_is_heard(tmp_path: Path) -> None:
    """Ray sets a handler of its own meanwhile, which would end the search without a word, or leave
    it hanging in a lock."""
    process = begun(tmp_path, "--engine", "ray", "--workers", "2")  # Ray takes some seconds
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 143, errors
    assert errors.splitlines()[-1].endswith("shoal run --out out goes on")


@pytest.mark.parametrize(
    ("left", "reason"), [(None, Reason.SAVE), (7200, Reason.SAVE), (150, Reason.LIMIT)]
)
def test_a_signal_to_save_is_the_time_limits_only_near_it(
    monkeypatch: pytest.MonkeyPatch, left: float | None, reason: Reason
) -> None:
    """SLURM's warning comes minutes before the limit; at other times it is somebody's own."""
    monkeypatch.delenv("SHOAL_END", raising=False)
    if left is not None:
        monkeypatch.setenv("SHOAL_END", str(time.time() + left))
    stop = Stop(time.monotonic(), None)
    with listening(stop):
        signal.raise_signal(signal.SIGUSR1)
    assert stop.reason is reason


@pytest.mark.long
def test_a_job_near_its_end_saves_without_a_signal(tmp_path: Path) -> None:
    """By the end that the batch job tells; where nothing was gained the exit code says so."""
    long = ("--engine", "inline", "--steps", "400000")
    process = begun(tmp_path, *long, SHOAL_END=str(time.time() + 45 + 12))
    _, errors = process.communicate(timeout=40)
    assert process.returncode == 75, errors
    assert "the time limit is near, fits of 1 worker saved" in errors
    late = begun(tmp_path, *long, SHOAL_END=str(time.time() - 5))
    _, errors = late.communicate(timeout=40)
    assert late.returncode == 76, errors


@pytest.mark.long
def test_a_time_budget_ends_in_time_with_what_there_is(
    tmp_path: Path, whole: Path, same_table: Same
) -> None:
    """Without an error, and the same command goes on; without checkpoints nothing is begun that
    would not end."""
    result = shoal.run(**SLOW, out=tmp_path / "out", engine="inline", time_budget=2)
    assert len(result.trials) < 12
    assert list((tmp_path / "out/packs").glob("*.pt"))
    process = begun(tmp_path, "--engine", "inline", "--time-budget", "1s")
    said, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert "of 12 fits; shoal run --out out goes on\n" in said
    shoal.run(out=tmp_path / "out", engine="inline")
    same_table(whole, tmp_path / "out")
    often = {**SLOW, "trials": 1200, "steps": 2000, "checkpoint": None}
    for seconds in (4, 16, 64):  # on a machine that is busy not even the first are over in four
        part = shoal.run(**often, out=tmp_path / "none", engine="inline", time_budget=seconds)
        if len(part.trials):
            break
    assert 0 < len(part.trials) < 1200
    assert not list((tmp_path / "none/packs").iterdir())


WATCHED = """
import os
from pathlib import Path

import torch


class Watched:
    space = {"lr": "0.0001:0.0004", "scale": "0.5:2"}

    def data(self):
        return torch.linspace(-1, 1, 2000)

    def initial(self, seed, scale):
        Path(__file__).with_name("fits").write_text(str(os.getpid()))
        return (scale * torch.ones(()),)

    def loss_and_gradient(self, params, data):
        r = params[0] * data - torch.sin(data)
        return (r * r).sum(), ((2 * r * data).sum(),)
"""
"""A problem that notes, beside its file, which process fits it."""


@pytest.mark.long
@pytest.mark.usefixtures("one_ray")
def test_a_killed_worker_costs_a_checkpoint_period_at_most(
    tmp_path: Path, same_table: Same
) -> None:
    """The pack goes on elsewhere from its last checkpoint: a second one of a later attempt."""
    (tmp_path / "watched.py").write_text(WATCHED)
    asked: dict[str, Any] = {**SLOW, "problem": f"{tmp_path}/watched.py:Watched"}
    out, packs = tmp_path / "out", tmp_path / "out/packs"
    numbers: set[str] = set()
    over = threading.Event()

    def kill_one() -> None:
        while not (files := list(packs.glob("*.pt"))) and not over.is_set():
            time.sleep(0.02)
        key = files[0].name.partition("-")[0]
        os.kill(int((tmp_path / "fits").read_text()), signal.SIGKILL)
        while not over.is_set():
            numbers.update(f.stem.partition("-")[2] for f in packs.glob(f"{key}-*.pt"))
            time.sleep(0.02)

    killer = threading.Thread(target=kill_one)
    killer.start()
    try:
        shoal.run(**asked, out=out, engine="ray", workers=1, checkpoint=0.3)
    finally:
        over.set()
        killer.join()
    assert numbers == {"000000", "000001"}
    shoal.run(**asked, out=tmp_path / "whole", engine="inline")
    same_table(tmp_path / "whole", out)
    assert not list(packs.iterdir())


HUNGRY = """
import inspect
import resource

import torch


class Hungry:
    space = {"lr": "1e-9:1e-8", "start": "0:1"}

    def data(self):
        if any(frame.filename.endswith("worker.py") for frame in inspect.stack()):
            pages = int(open("/proc/self/statm").read().split()[0])
            allowed = pages * resource.getpagesize() + (120 << 20)
            resource.setrlimit(resource.RLIMIT_AS, (allowed, resource.RLIM_INFINITY))
        return torch.linspace(-1, 1, 1_000_000)

    def initial(self, seed, start):
        return (start * torch.ones(()),)

    def loss_and_gradient(self, params, data):
        r = params[0] * data - 1
        return (r * r).sum(), ((2 * r * data).sum(),)
"""
"""A problem whose workers may have 120 MiB more than they have: too little for 32 lanes."""


@pytest.mark.long
def test_memory_that_runs_out_halves_the_block_from_that_round_on(
    tmp_path: Path, same_table: Same
) -> None:
    """Real refusals of the allocator; recorded in ``search.toml``, told, and no row is lost. (Of a
    single pack: how much memory the next one would find depends on more than its block.)"""
    (tmp_path / "hungry.py").write_text(HUNGRY)
    words = [
        "hungry.py:Hungry",
        "--trials",
        "32",
        "--steps",
        "5",
        "--pack",
        "32",
        "--round",
        "32",
        "--engine",
        "inline",
        "--sampler",
        "random",
        "--program",
        "eager",
    ]
    command = [sys.executable, "-m", "shoal", "run", *words, "--block", "32", "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = "memory ran out; from round 0 on, a block has 16 fits instead of 32"
    assert f"fits of pack r000000-p000000: {said}" in done.stderr
    ((first, block),) = tomllib.loads((tmp_path / "out/search.toml").read_text())["halved"]
    assert first == 0
    assert block in (1, 2, 4, 8, 16)
    trials = pandas.read_parquet(tmp_path / "out/trials.parquet")
    assert set(trials["state"]) == {"complete"}
    (tmp_path / "hungry.py").write_text(HUNGRY.replace("120 <<", "4000 <<"))
    command = [*command[:-4], "--block", str(block), "--out", "small"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    same_table(tmp_path / "small", tmp_path / "out")
