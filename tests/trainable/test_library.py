"""Compiled programs: the numbers they give, and libraries that are made once and can be trusted."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from trainable import Fitted, Lanes, Plan, Program, find, fit
from trainable.checkpoint import CheckpointKeeper, Saving, key
from trainable.library import compiler

PLAN = Plan(steps=120, report=15, diverge_factor=1000.0)
N = 11
PROGRAM = """
import sys, torch
from trainable import Lanes, Plan, Program, fit

class Own:
    space = {}
    scales = torch.tensor([0.5, 2.0, 1.0])

    def data(self):
        x = torch.linspace(-1, 1, 50)
        return {"X": torch.stack([x**0, x, x**2]), "y": torch.sin(x)}

    def initial(self, seed):
        return (torch.ones(3),)

    def loss_and_gradient(self, params, data, l2=0.0):
        (w,) = params
        X = data["X"] * self.scales[:, None]
        r = w @ X - data["y"]
        return (r * r).sum() + l2 * (w * w).sum(), (2 * (X @ r) + 2 * l2 * w,)

one = torch.zeros(4, dtype=torch.int64)
values = {"lr": torch.full((4,), 1e-3), "l2": torch.tensor([0.0, 0.1, 1.0, 2.0])}
lanes = Lanes(trial=torch.arange(4), replicate=one, seed=one, shape={},
              values={name: column.double() for name, column in values.items()})
for compiled in (False, True):
    program = Program(Own, rule="sgd", shape={}, defaults={}, block=4, device="cpu",
                      compiled=compiled, unroll=2 if compiled else 1)
    fitted = fit(program, lanes, Plan(steps=10, report=10, diverge_factor=1000.0))
    print(program.told()[0], fitted.loss.sum().item())
"""
"""A process that runs a program with data, constants and a product, first eager, then compiled; it
prints notes and a loss of each."""


def lanes(order: list[int]) -> Lanes:
    """Lanes of unlike rates and seeds, two of which diverge, in this order."""
    rates = torch.tensor([1e-3, 3e-2, 1e-2, 1e30, 1e-1, 2e-2, 1e-4, 1e30, 3e-3, 5e-3, 1e-2])
    at = torch.tensor(order)
    return Lanes(trial=at, replicate=0 * at, seed=at, values={"lr": rates.double()[at]}, shape={})


def program(compiled: bool) -> Program:
    """The course's fit by adam, in blocks of four."""
    defaults = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    return Program(
        find("cubic-sine").load(), rule="adam", shape={}, defaults=defaults, block=4,
        device="cpu", compiled=compiled, unroll=PLAN.unroll,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole() -> Fitted:
    """What the compiled program gives in one go."""
    ready = program(compiled=True)
    fitted = fit(ready, lanes(list(range(N))), PLAN)
    assert ready.told()[0] == []  # it was compiled
    assert fitted is not None
    return fitted


def test_a_compiled_program_gives_what_an_eager_one_gives(whole: Fitted) -> None:
    """Losses and curves up to rounding, states and steps exactly."""
    eager = fit(program(compiled=False), lanes(list(range(N))), PLAN)
    assert eager is not None
    assert whole.state.tolist() == eager.state.tolist()
    assert whole.state.tolist().count(1) == 2
    assert torch.equal(whole.steps, eager.steps)
    for column in ("loss", "curve_loss"):
        assert torch.allclose(getattr(whole, column), getattr(eager, column), rtol=1e-4)


def test_a_compiled_lane_does_not_depend_on_its_neighbours(whole: Fitted) -> None:
    """Bit for bit the same in another order, so in other slots and beside others."""
    order = random.Random(0).sample(range(N), N)
    other = fit(program(compiled=True), lanes(order), PLAN)
    assert other is not None
    assert torch.equal(other.loss, whole.loss[torch.tensor(order)])


def test_a_compiled_pack_stopped_again_and_again_gives_the_same_bits(
    whole: Fitted, tmp_path: Path
) -> None:
    """It is paused between two calls, and goes on from its checkpoint."""
    mine = lanes(list(range(N)))
    name = key(mine, program="test", plan=PLAN, block=4, defaults={})
    fitted, resume = None, None
    for attempt in range(100):
        saving = Saving(folder=str(tmp_path), key=name, attempt=attempt, resume=resume, period=1e9)
        calls = iter([False] * 3)
        keeper = CheckpointKeeper(
            saving, lambda calls=calls: next(calls, True), device="cpu", began=0.0
        )  # fmt: skip
        fitted = fit(program(compiled=True), mine, PLAN, keeper)
        if fitted is not None:
            break
        assert keeper.notes == []
        resume = saving.file.name if keeper.saved else resume
    assert attempt > 5
    assert fitted is not None
    assert torch.equal(fitted.loss, whole.loss)
    assert torch.equal(fitted.curve_loss, whole.curve_loss)


def _counting(folder: Path, then: str) -> Path:
    """A compiler on PATH that notes each call, with its process, and goes on as `then`."""
    script = folder / "counting-c++"
    script.write_text(f'#!/bin/sh\necho "$$ $*" >> "{folder}/calls"\n{then}\n')
    script.chmod(0o755)
    return script


def _start(cache: Path, compiler: str | Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "SHOAL_CACHE": str(cache), "CXX": str(compiler)}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_two_processes_compile_once_and_a_damaged_library_is_made_anew(tmp_path: Path) -> None:
    """Each library by one of them, while the other waits; what does not load runs eager, once."""
    script = _counting(tmp_path, f'exec {compiler()} "$@"')
    cache = tmp_path / "cache"
    both = [_start(cache, script) for _ in range(2)]
    printed = {process.communicate(timeout=300)[0] for process in both}
    assert len(printed) == 1
    (_, eager), (notes, compiled) = (line.split() for line in printed.pop().splitlines())
    assert notes == "[]"
    assert float(compiled) == pytest.approx(float(eager), rel=1e-6)
    libraries = sorted(cache.glob("*.so"))
    assert len(libraries) == 2  # the step, and the loss
    sources = [
        word
        for line in (tmp_path / "calls").read_text().splitlines()
        for word in line.split()
        if word.endswith(".kernel.cpp")
    ]
    assert len(sources) == len(set(sources)) == 2
    assert [f for f in cache.iterdir() if f.suffix not in (".so", ".lock")] == []

    libraries[0].unlink()
    libraries[0].write_bytes(b"\x7fELF and no more")
    libraries[0].chmod(0o500)
    told = _start(cache, script).communicate(timeout=100)[0]
    assert "does not load" in told
    assert not libraries[0].exists()


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_a_compiler_ends_with_the_process_that_waits_for_it(end: str, tmp_path: Path) -> None:
    """Killed outright or not, nothing goes on compiling, and the next one is not kept waiting."""
    process = _start(tmp_path / "cache", _counting(tmp_path, "exec sleep 1000"))
    calls = tmp_path / "calls"
    try:
        _until(calls.exists)
        compiling = int(calls.read_text().split()[0])
        getattr(process, end)()
        process.communicate(timeout=20)
        _until(lambda: not Path(f"/proc/{compiling}/cmdline").exists())
    finally:
        process.kill()
        process.communicate()


def _until(holds: object, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def test_where_it_cannot_be_compiled_it_runs_eager_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No compiler, one that fails, a cache that others can write to, and none that can be made."""
    closed = tmp_path / "cache"
    closed.mkdir(mode=0o700)
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    (tmp_path / "file").touch()
    cases = [
        (closed, "no-such-c++", "there is no C++ compiler"),
        (closed, _counting(tmp_path, "echo not today >&2; exit 1"), "compiling failed"),
        (open_to_all, "g++", "others can write to it"),
        (tmp_path / "file" / "cache", "g++", "cannot make"),
    ]
    for cache, cxx, why in cases:
        monkeypatch.setenv("SHOAL_CACHE", str(cache))
        monkeypatch.setenv("CXX", str(cxx))
        ready = program(compiled=True)
        fitted = fit(ready, lanes([0, 1]), Plan(steps=20, report=20, diverge_factor=10.0))
        notes, _ = ready.told()
        assert len(notes) == 1
        assert why in notes[0]
        assert "it runs uncompiled" in notes[0]
        assert fitted is not None
    assert [f.suffix for f in closed.iterdir()] == [".lock"] * len(list(closed.iterdir()))


def test_being_told_to_stop_while_compiling_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is fitted, nothing goes on running."""
    monkeypatch.setenv("SHOAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", str(_counting(tmp_path, "exec sleep 1000")))
    calls = tmp_path / "calls"
    keeper = CheckpointKeeper(None, calls.exists, device="cpu", began=0.0)
    assert fit(program(compiled=True), lanes([0, 1]), PLAN, keeper) is None
    compiling = int(calls.read_text().split()[0])
    _until(lambda: not Path(f"/proc/{compiling}/cmdline").exists())
