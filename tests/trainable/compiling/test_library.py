"""Compiled programs: the numbers they give, and libraries that are made once and used by all."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from shoal.trainable.compiling.toolchain import identity
from shoal.trainable.errors import CompileError
from shoal.trainable.fitting import Plan, fit
from shoal.trainable.fitting.checkpoint import CheckpointKeeper, Saving, key
from shoal.trainable.lanes import Fitted, Lanes
from shoal.trainable.problems.finding import find
from shoal.trainable.programs.program import Program

PLAN = Plan(steps=120, report=15, diverge_factor=1000.0)
Eventually = Callable[..., None]
StrangeCompiler = Callable[[Path, str], str]

UNROLL = 5
N = 11
COMPILER = identity()
OWN = """
import torch


class Own:
    space = {}
    scales = torch.tensor([0.5, 2.0, 1.0])

    def data(self):
        x = torch.linspace(-1, 1, 50)
        return {"X": torch.stack([x**0, x, x**2]), "y": torch.sin(x)}

    def initial(self, seed):
        return (torch.ones(3) * (1 + seed % 3),)

    def loss_and_gradient(self, params, data, l2=0.0):
        (w,) = params
        X = data["X"] * self.scales[:, None]
        r = w @ X - data["y"]
        return (r * r).sum() + l2 * (w * w).sum(), (2 * (X @ r) + 2 * l2 * w,)
"""
"""A problem with data by name, a constant of its own, matrix products and a hyperparameter."""

UNFUSED = OWN.replace("(w * w).sum()", "(w * w).cumprod(0)[2]")
"""The same, in words that no kernel of ours can say: it takes torch's compiler."""

PROCESS = """
import sys
from test_library import PLAN, N, lanes, program
from shoal.trainable.fitting import fit

ready = program(sys.argv[1], compiled=True)
fitted = fit(ready, lanes(list(range(N))), PLAN)
print(ready.told()[0], fitted.loss.tolist())
"""
"""A process that fits all lanes, compiled; it prints notes and losses."""


def lanes(order: list[int]) -> Lanes:
    """Lanes of unlike rates and seeds, two of which diverge, in this order."""
    rates = torch.tensor([1e-3, 3e-4, 1e-3, 1e30, 2e-3, 2e-4, 1e-4, 1e30, 3e-3, 5e-4, 1e-3])
    at = torch.tensor(order)
    values = {"lr": rates.double()[at], "l2": at / 10.0}
    return Lanes(trial=at, replicate=0 * at, seed=at, values=values, shape={})


def program(problem: str | Path, compiled: bool, block: int = 4) -> Program:
    """The fit of a problem's file by momentum; what is compiled is by this machine's compiler."""
    return Program(
        find(f"{problem}:Own").load(),
        optimizer="momentum",
        shape={},
        defaults={"momentum": 0.9},
        block=block,
        device="cpu",
        compiled=compiled,
        unroll=UNROLL if compiled else 1,
        compiler=COMPILER,
    )


@dataclass(frozen=True)
class Made:
    """What two processes have compiled at the same time."""

    problem: Path
    fused: bool
    cache: Path
    printed: tuple[str, ...]
    sources: list[str]


@pytest.fixture(scope="module", params=["fused", "unfused"])
def made(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    strange_compiler: StrangeCompiler,
) -> Made:
    """Two processes, which want the same libraries, with an empty cache."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "own.py").write_text(OWN if request.param == "fused" else UNFUSED)
    script = strange_compiler(folder, 'real "$@"')
    both = [_start(folder / "own.py", folder / "cache", script) for _ in range(2)]
    printed = tuple(process.communicate(timeout=300)[0] for process in both)
    words = (folder / "calls").read_text().split()
    return Made(
        problem=folder / "own.py",
        fused=request.param == "fused",
        cache=folder / "cache",
        printed=printed,
        sources=[word for word in words if word.endswith("kernel.cpp")],
    )


@pytest.fixture
def whole(made: Made, monkeypatch: pytest.MonkeyPatch) -> Fitted:
    """What the compiled program gives in one go, from the libraries that are there."""
    monkeypatch.setenv("SHOAL_CACHE", str(made.cache))
    monkeypatch.setenv("CXX", "no-such-c++")
    ready = program(made.problem, compiled=True)
    fitted = fit(ready, lanes(list(range(N))), PLAN)
    assert ready.told()[0] == []  # it was compiled
    assert ready.elastic == made.fused
    assert fitted is not None
    return fitted


def test_two_processes_compile_each_library_once(made: Made, whole: Fitted) -> None:
    """Each by one of them, while the other waits; nothing else is left in the cache."""
    assert set(made.printed) == {f"[] {whole.loss.tolist()}\n"}
    libraries = 2 if made.fused else 3  # updates and loss, which in pieces begin by the same kernel
    assert len(list(made.cache.glob("*.so"))) == libraries
    assert len(made.sources) == len(set(made.sources)) == libraries
    assert [f for f in made.cache.iterdir() if f.suffix not in (".so", ".lock")] == []


def test_a_compiled_program_gives_what_an_eager_one_gives(made: Made, whole: Fitted) -> None:
    """Losses and curves up to rounding, states and steps exactly."""
    eager = fit(program(made.problem, compiled=False), lanes(list(range(N))), PLAN)
    assert eager is not None
    assert whole.state.tolist() == eager.state.tolist()
    assert whole.state.tolist().count(1) == 2
    assert torch.equal(whole.steps, eager.steps)
    for column in ("loss", "curve_loss"):
        assert torch.allclose(getattr(whole, column), getattr(eager, column), rtol=1e-4)


def test_a_compiled_lane_does_not_depend_on_its_neighbours(made: Made, whole: Fitted) -> None:
    """Bit for bit the same in another order, so in other slots and beside others."""
    order = random.Random(0).sample(range(N), N)
    other = fit(program(made.problem, compiled=True), lanes(order), PLAN)
    assert other is not None
    assert torch.equal(other.loss, whole.loss[torch.tensor(order)])


def test_a_compiled_pack_stopped_again_and_again_gives_the_same_bits(
    made: Made, whole: Fitted, tmp_path: Path
) -> None:
    """It is paused between two calls, and goes on from its checkpoint."""
    mine = lanes(list(range(N)))
    name = key(mine, program="test", plan=PLAN, block=4, defaults={})
    fitted, resume = None, None
    for attempt in range(100):
        saving = Saving(
            folder=str(tmp_path),
            key=name,
            attempt=attempt,
            resume=resume,
            period_seconds=1e9,
        )
        calls = iter([False] * 3)
        keeper = CheckpointKeeper(
            saving, lambda calls=calls: next(calls, True), device="cpu", began=0.0
        )
        fitted = fit(program(made.problem, compiled=True), mine, PLAN, keeper)
        if fitted is not None:
            break
        assert keeper.notes == []
        resume = saving.file.name if keeper.saved else resume
    assert attempt > 5
    assert fitted is not None
    assert torch.equal(fitted.loss, whole.loss)
    assert torch.equal(fitted.curve_loss, whole.curve_loss)


def test_a_block_that_lets_go_of_empty_slots_gives_the_same_bits(
    made: Made, whole: Fitted, tmp_path: Path
) -> None:
    """In one go and stopped after each reporting step. A kernel takes any number of lanes; what
    torch's compiler makes keeps to its own."""
    order = list(range(N)) * 6
    mine, name = lanes(order), key(lanes(order), program="test", plan=PLAN, block=40, defaults={})
    fitted, resume, attempt, widths = None, None, 0, set()
    uninterrupted = fit(program(made.problem, compiled=True, block=40), mine, PLAN)
    assert uninterrupted is not None
    while fitted is None:
        ready = program(made.problem, compiled=True, block=40)
        once = ready.chunk

        def chunk(params: Any, *given: Any, once: Any = once) -> Any:
            widths.add(len(params[0]))
            return once(params, *given)

        ready.chunk = chunk  # type: ignore[method-assign]  # counts, and calls it
        saving = Saving(
            folder=str(tmp_path),
            key=name,
            attempt=attempt,
            resume=resume,
            period_seconds=1e9,
        )
        calls = iter([False] * 3)
        keeper = CheckpointKeeper(
            saving, lambda calls=calls: next(calls, True), device="cpu", began=0.0
        )
        fitted, resume, attempt = fit(ready, mine, PLAN, keeper), saving.file.name, attempt + 1
        assert keeper.notes == []
    assert max(widths) == 40
    assert (min(widths) < 24) == made.fused
    if made.fused:  # else numbers depend on the block
        assert torch.equal(fitted.loss, whole.loss[torch.tensor(order)])
    for column in ("loss", "state", "steps", "curve_lane", "curve_step", "curve_loss"):
        assert torch.equal(getattr(fitted, column), getattr(uninterrupted, column))


def _start(problem: Path, cache: Path, compiler: str) -> subprocess.Popen[str]:
    here = str(Path(__file__).parent)
    environment = {**os.environ, "SHOAL_CACHE": str(cache), "CXX": compiler}
    environment["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(problem)],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_a_compiler_ends_with_the_process_that_waits_for_it(
    end: str, tmp_path: Path, strange_compiler: StrangeCompiler, eventually: Eventually
) -> None:
    """Killed outright or not, nothing goes on compiling, and the next one is not kept waiting."""
    (tmp_path / "own.py").write_text(OWN)
    sleeping = strange_compiler(tmp_path, "exec sleep 1000")
    process = _start(tmp_path / "own.py", tmp_path / "cache", sleeping)
    calls = tmp_path / "calls"
    try:
        eventually(calls.exists)
        compiling = int(calls.read_text().split()[0])
        getattr(process, end)()
        process.communicate(timeout=240)
        eventually(lambda: not Path(f"/proc/{compiling}/cmdline").exists())
    finally:
        process.kill()
        process.communicate()


def test_where_it_cannot_be_compiled_it_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strange_compiler: StrangeCompiler
) -> None:
    """No compiler, one that fails, a cache that others can write to, and none that can be made."""
    (tmp_path / "own.py").write_text(OWN)
    closed = tmp_path / "cache"
    closed.mkdir(mode=0o700)
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    (tmp_path / "file").touch()
    failing = strange_compiler(tmp_path, "echo not today >&2; exit 1")
    cases = [
        (closed, "no-such-c++", "there is no C++ compiler"),
        (closed, failing, "compiling failed (not today)"),
        (open_to_all, "g++", "others can write to it"),
        (tmp_path / "file" / "cache", "g++", "cannot make"),
    ]
    for cache, cxx, why in cases:
        monkeypatch.setenv("SHOAL_CACHE", str(cache))
        monkeypatch.setenv("CXX", cxx)
        with pytest.raises(CompileError, match=re.escape(why)):
            fit(program(tmp_path / "own.py", compiled=True), lanes([0, 1]), PLAN)
    assert [f.suffix for f in closed.iterdir()] == [".lock"] * len(list(closed.iterdir()))


def test_being_told_to_stop_while_compiling_ends_at_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    strange_compiler: StrangeCompiler,
    eventually: Eventually,
) -> None:
    """Nothing is fitted, nothing goes on running."""
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.setenv("SHOAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", strange_compiler(tmp_path, "exec sleep 1000"))
    calls = tmp_path / "calls"
    keeper = CheckpointKeeper(None, calls.exists, device="cpu", began=0.0)
    assert fit(program(tmp_path / "own.py", compiled=True), lanes([0, 1]), PLAN, keeper) is None
    compiling = int(calls.read_text().split()[0])
    eventually(lambda: not Path(f"/proc/{compiling}/cmdline").exists())
