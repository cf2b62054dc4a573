"""One program for one table: settled before a search begins, and the same for each of its fits."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import shoal
from shoal.search.driver.driver import Driver
from shoal.search.driver.execution import run_prepared
from shoal.search.driver.outcomes.hosts import Hosts
from shoal.search.engines.options import RunOptions
from shoal.search.errors import BadInput, ProgramLost
from shoal.search.folder.placing import create
from shoal.search.folder.tables import rows
from shoal.search.folder.writer import Writer
from shoal.search.machine import cores
from shoal.search.preparation.preparation import Prepared, prepare
from shoal.search.programs import running
from shoal.search.programs.case import shapes_of
from shoal.search.request.asked import Asked
from shoal.search.request.request import Request
from shoal.search.rounds.packs import Pack
from shoal.search.rounds.rounds import Rounds
from shoal.search.rounds.tasks import Tasks, recipe_of
from shoal.search.space.space import Space, parse
from shoal.search.watching.terminal import Silent
from shoal.trainable.compiling.toolchain import command, identity
from shoal.trainable.disk.temporary import private_folder
from shoal.trainable.errors import CompileError
from shoal.trainable.fused.cpp.compiled import FLAGS
from shoal.trainable.programs.settled import Settled, key
from shoal.trainable.task import Outcome
from shoal.trainable.worker import Worker

Same = Callable[[Path, Path], None]
Eventually = Callable[..., None]
StrangeCompiler = Callable[[Path, str], str]

THREE_OPTIMIZERS = {"lr": "1e-7:1e-3:log", "optimizer": "sgd,momentum,adam", "momentum": "0:0.99"}
MADE = 4
"""Their libraries, of updates and of the loss: sgd that is given a momentum is `momentum`."""

ASKED: dict[str, Any] = {
    "problem": "legendre-sine",
    "space": THREE_OPTIMIZERS,
    "trials": 96,
    "steps": 60,
    "seed": 3,
    "round": 32,
    "pack": 8,
    "program": "compiled",
}
"""A search of three programs, in some thirty packs."""

AUTO: dict[str, Any] = {"trials": 24, "steps": 60, "pack": 8}
"""One that says nothing of its program: with ``any_size`` it is worth to compile."""


def clear(cache: Path) -> None:
    """Remove the libraries."""
    for file in cache.glob("*.so"):
        file.unlink()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and nothing in this process's own."""
    folder = tmp_path / "cache"
    clear(private_folder())
    monkeypatch.setenv("SHOAL_CACHE", str(folder))
    monkeypatch.delenv("CXX", raising=False)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the search in one go, ``whole``, and its libraries, ``cache``."""
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOAL_CACHE", str(place / "cache"))
        patch.delenv("CXX", raising=False)
        shoal.run(**ASKED, out=place / "whole", engine="inline")
    return place


@pytest.fixture
def filled(cache: Path, made: Path) -> Path:
    """A cache with the libraries of the search."""
    shutil.copytree(made / "cache", cache)
    return cache


@pytest.fixture
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search of any size is worth to compile, so that a small one does here."""
    monkeypatch.setattr(running, "FUSED_WORTH_SECONDS", 0.0)


def toml(out: Path) -> dict[str, Any]:
    """What the run folder says of its search."""
    return tomllib.loads((out / "search.toml").read_text())


def test_search_toml_says_how_each_shape_is_run(
    cache: Path, tmp_path: Path, strange_compiler: StrangeCompiler
) -> None:
    """And by which compiler and flags; each library is made once, by the driver, and no later."""
    cxx = strange_compiler(tmp_path, 'real "$@"')
    os.environ["CXX"] = cxx
    try:
        shoal.run(**ASKED, out=tmp_path / "out", engine="inline", workers=2)
    finally:
        del os.environ["CXX"]
    settled = toml(tmp_path / "out")["settled"]
    assert settled == {
        "compiler": identity(),
        "flags": " ".join(FLAGS),
        "programs": [
            {"program": "kernel", "shape": {"optimizer": optimizer}}
            for optimizer in ("sgd", "momentum", "adam")
        ],
    }
    calls = [line for line in (tmp_path / "calls").read_text().splitlines() if "kernel" in line]
    assert len(calls) == len(list(cache.glob("*.so"))) == MADE


def test_settling_makes_no_more_libraries_at_once_than_there_are_cores(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strange_compiler: StrangeCompiler
) -> None:
    """Each compiler notes how many there are."""
    count, log = tmp_path / "running", tmp_path / "most"
    begin = f"mkdir -p {count}; touch {count}/$$; ls {count} | wc -l >> {log}"
    does = f'{begin}; sleep 0.2; real "$@"; rm {count}/$$'
    monkeypatch.setenv("CXX", strange_compiler(tmp_path, does))
    prepare(Asked.of(ASKED), None)
    most = [int(word) for word in log.read_text().split()]
    assert len(most) == MADE
    assert max(most) <= cores()


BROKEN = {
    "nothing made": "exit 0",
    "an empty file": ': > "$OUT"',
    "no function": 'echo "int o;" > "$IN"; real "$@"',
    "an error": "echo not today >&2; exit 1",
    "killed": "kill -9 $$",
    "the cache goes": 'rm -rf "$SHOAL_CACHE"; exit 1',
}


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_compiler_is_told_and_the_search_runs_eager_from_its_first_row(
    how: str,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    strange_compiler: StrangeCompiler,
) -> None:
    """One line; no row fails, and search.toml says eager. Where it must be compiled, nothing is
    made."""
    monkeypatch.setenv("CXX", strange_compiler(tmp_path, BROKEN[how]))
    result = shoal.run(**AUTO, out=tmp_path / "out", engine="inline", progress=True)
    told = [line for line in capsys.readouterr().err.splitlines() if "uncompiled" in line]
    assert len(told) == 1
    assert told[0].endswith("; it runs uncompiled, which is slower")
    assert toml(tmp_path / "out")["program"] == "eager"
    assert "settled" not in toml(tmp_path / "out")
    assert set(result.trials["state"]) <= {"complete", "diverged"}
    with pytest.raises(BadInput, match=r"^it cannot be compiled.*leave out --program compiled$"):
        shoal.run(**ASKED, out=tmp_path / "none", engine="inline")
    assert not (tmp_path / "none").exists()


def a_file(cache: Path) -> Path:
    """In the place of the folder."""
    cache.write_text("")
    return cache


def open_to_others(cache: Path) -> Path:
    """They can write to it."""
    cache.mkdir()
    cache.chmod(0o777)
    return cache


def below_one_that_is_open(cache: Path) -> Path:
    """They can put another in its place."""
    (open_to_others(cache) / "x").mkdir()
    return cache / "x"


CACHES = {made.__name__: made for made in (a_file, open_to_others, below_one_that_is_open)}


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("how", CACHES)
def test_a_cache_that_cannot_be_used_is_told_and_explicitly_compiled_is_refused(
    how: str,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In one line each."""
    monkeypatch.setenv("SHOAL_CACHE", str(CACHES[how](cache)))
    shoal.run(**AUTO, out=tmp_path / "out", engine="inline", progress=True)
    told = [line for line in capsys.readouterr().err.splitlines() if "set SHOAL_CACHE" in line]
    assert len(told) == 1
    assert told[0].endswith("it runs uncompiled, which is slower")
    assert toml(tmp_path / "out")["program"] == "eager"
    with pytest.raises(BadInput, match=r"^[^\n]*SHOAL_CACHE[^\n]*$"):
        shoal.run(**ASKED, out=tmp_path / "none", engine="inline")
    assert not (tmp_path / "none").exists()


def test_a_small_search_settles_nothing(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strange_compiler: StrangeCompiler
) -> None:
    """It asks for no compiler."""
    monkeypatch.setenv("CXX", strange_compiler(tmp_path, "exit 1"))
    shoal.run(trials=16, steps=20, out=tmp_path / "out", engine="inline")
    assert not (tmp_path / "calls").exists()
    assert not cache.exists()


@pytest.mark.usefixtures("any_size")
def test_a_kernel_that_differs_is_not_used_and_it_is_told_what_differed(
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    strange_compiler: StrangeCompiler,
) -> None:
    """A compiler that makes something else of one optimizer's kernel: the others keep theirs."""
    body = "/static bool some/,$"
    wrong = (
        rf"""grep -q 'in\[12\]' "$IN" && sed -i '{body}{{/fits/!s/ - / + /g}}' "$IN"; real "$@" """
    )
    monkeypatch.setenv("CXX", strange_compiler(tmp_path, wrong))
    space = {"lr": "1e-8:1e-4:log", "optimizer": "sgd,momentum,adam"}
    asked = {**AUTO, "space": space}
    shoal.run(**asked, out=tmp_path / "out", engine="inline", progress=True)
    programs = toml(tmp_path / "out")["settled"]["programs"]
    assert {each["shape"]["optimizer"]: each["program"] for each in programs} == {
        "sgd": "kernel",
        "momentum": "kernel",
        "adam": "eager",
    }
    assert re.search(
        r"optimizer=adam: the kernel differs from the plain step: .*; it runs uncompiled",
        capsys.readouterr().err,
    )


UNLIKE = """
import torch


class Unlike:
    '''A width that no kernel alone can have, and one that fails, which no check before sees.'''

    space = {"lr": "1e-3:1e-1:log", "width": "1:4:int"}

    def __init__(self, width=1):
        self.width = width

    def data(self):
        if self.width == 3:
            raise ValueError("no such width")
        return torch.linspace(0, 1, 10)

    def initial(self, seed):
        return (torch.ones(3),)

    def loss_and_gradient(self, params, data):
        (w,) = params
        total = (w * w).sum() if self.width != 2 else (w * w).sort().values.sum()
        return total * data.sum(), (2 * w * data.sum(),)
"""


def test_why_a_shape_is_no_kernel_is_told(cache: Path, tmp_path: Path) -> None:
    """Both where torch does a part of it and where nothing can be made."""
    (tmp_path / "unlike.py").write_text(UNLIKE)
    space = {"optimizer": "adam"}
    asked = {**ASKED, "problem": f"{tmp_path / 'unlike.py'}:Unlike", "space": space}
    prepared = prepare(Asked.of(asked), None)
    programs = prepared.request.settled.programs.values()
    assert list(programs) == ["kernel", "pieces", "eager", "kernel"]
    pieces, uncompiled = prepared.notes
    why = r"optimizer=adam, width=2: it cannot be fused: .*sort.*"
    assert re.fullmatch(rf"{why}; torch does that between kernels", pieces)
    assert uncompiled == (
        "optimizer=adam, width=3: its program cannot be made (ValueError: no such width); "
        "it runs uncompiled, which is slower"
    )


def lost_between(prepared: Prepared, out: Path, options: RunOptions) -> Path:
    """Run a search that was prepared a while ago; it ends since it cannot have what is written."""
    with pytest.raises(ProgramLost, match=r"no host can run what search.toml says") as caught:
        run_prepared(prepared, out, options, Silent(), time.monotonic())
    line = str(caught.value)
    assert line.endswith("or begin anew with --program eager and another --out")
    assert caught.value.exit_code == 1
    return out


@pytest.mark.usefixtures("no_ray")
@pytest.mark.long
@pytest.mark.parametrize("engine", ["inline", "ray"])
def test_what_cannot_be_had_any_more_ends_the_search_and_fails_no_row(
    engine: str,
    filled: Path,
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    same_table: Same,
) -> None:
    """The cache is empty and the compiler gone once the search is settled; after both are back the
    same call goes on, to the table of a search that was never disturbed."""
    options = RunOptions(engine=engine, workers=2)
    prepared = prepare(Asked.of(ASKED), None)
    clear(filled)
    monkeypatch.setenv("CXX", "no-such-c++")
    out = lost_between(prepared, tmp_path / "out", options)
    assert len(shoal.load(out).trials) == 0
    with pytest.raises(ProgramLost, match="there is no C"):  # also where it goes on
        shoal.run(out=out, engine="inline")
    monkeypatch.delenv("CXX")
    shoal.run(out=out, engine="inline")
    same_table(made / "whole", out)


def test_rows_of_what_works_are_kept(
    filled: Path,
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    same_table: Same,
) -> None:
    """One optimizer's library is gone, the others are there."""
    prepared = prepare(Asked.of(ASKED), None)
    for file in list(filled.glob("*.so")):
        content = file.read_bytes()
        file.unlink()
        try:
            monkeypatch.setenv("CXX", "no-such-c++")
            out = tmp_path / file.stem[:8]
            lost_between(prepared, out, RunOptions(engine="inline", workers=1))
            states = set(shoal.load(out).trials["state"])
            assert states <= {"complete", "diverged"}
        finally:
            file.write_bytes(content)
            file.chmod(0o500)
        shoal.run(out=out, engine="inline")
        same_table(made / "whole", out)


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=pytest.mark.long)])
def test_a_worker_without_the_cache_makes_what_it_needs_in_a_folder_of_its_own(
    engine: str,
    filled: Path,
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    same_table: Same,
) -> None:
    """The table is the same, and it is told once."""
    prepared = prepare(Asked.of(ASKED), None)
    clear(filled)
    filled.chmod(0o777)
    _, report = run_prepared(
        prepared, tmp_path / "out", RunOptions(engine=engine, workers=2), Silent(), time.monotonic()
    )
    same_table(made / "whole", tmp_path / "out")
    assert sum("temporary folder" in note for note in report.notes) == 1
    assert not list(filled.glob("*.so"))


def test_another_compiler_does_not_go_on_with_a_search(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says which one is there and which one was; from the cache it goes on without any."""
    prepared = prepare(Asked.of(ASKED), None)
    monkeypatch.setenv("CXX", f"{command()[0]} -O1")
    run_prepared(prepared, tmp_path / "cached", RunOptions(engine="inline"), Silent(), 0.0)
    clear(filled)
    with pytest.raises(ProgramLost, match=r"the compiler here is .* -O1, not "):
        run_prepared(prepared, tmp_path / "out", RunOptions(engine="inline"), Silent(), 0.0)


SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGUSR1: 76}


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_while_programs_are_compiled_ends_cleanly(
    number: signal.Signals,
    cache: Path,
    tmp_path: Path,
    strange_compiler: StrangeCompiler,
    eventually: Eventually,
) -> None:
    """Nothing is made, and no compiler goes on."""
    calls = tmp_path / "calls"
    process = subprocess.Popen(
        [sys.executable, "-m", "shoal", "run", "--program", "compiled", "--out", "out"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CXX": strange_compiler(tmp_path, "exec sleep 1000")},
    )
    try:
        eventually(calls.exists)
        compiling = [int(line.split()[0]) for line in calls.read_text().splitlines()]
        process.send_signal(number)
        said = process.communicate(timeout=240)[1]
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == SIGNALS[number]
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
    # a compiler that began in this moment ends with its input
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in compiling))
    assert [f.name for f in cache.iterdir() if f.is_dir()] == []


def test_a_time_budget_that_is_too_short_to_compile_is_told(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strange_compiler: StrangeCompiler
) -> None:
    """Nothing is made."""
    monkeypatch.setenv("CXX", strange_compiler(tmp_path, "exec sleep 1000"))
    with pytest.raises(BadInput, match="the time budget is used before"):
        shoal.run(**ASKED, out=tmp_path / "out", time_budget=1.0)
    assert not (tmp_path / "out").exists()


def test_more_shapes_than_are_compiled_are_told(cache: Path) -> None:
    """As a refusal where it must be compiled."""
    ridge = Path(__file__).parent.parent.parent / "examples" / "ridge.py"
    space = {"degree": "1:1000:int", "lr": "1e-6", "l2": "0:1"}
    asked = {**ASKED, "problem": f"{ridge}:Ridge", "space": space}
    with pytest.raises(BadInput, match=r"1,000 combinations .* are too many to compile, 256 at"):
        prepare(Asked.of(asked), None)
    asked = {**asked, "program": "auto", "trials": 2**20, "steps": 10**6}
    prepared = prepare(Asked.of(asked), None)
    assert prepared.request.program == "eager"
    assert "are too many to compile, 256 at the most: it runs uncompiled" in prepared.notes[0]


@pytest.mark.parametrize(
    ("texts", "count"),
    [
        ({"optimizer": "sgd,adam", "degree": "2:5:int"}, 8),
        ({"degree": "1,2"}, 2),
        ({"degree": "1.5,2"}, 2),
        ({"kind": "one,two"}, 2),
        ({}, 1),
        ({"degree": "-0.0"}, 1),
        ({"degree": "1e300"}, 1),
    ],
)
def test_what_is_settled_is_read_as_it_was_written(texts: dict[str, str], count: int) -> None:
    """For each kind of value; a shape is found by what packs call it."""
    space = Space(parse(name, text) for name, text in texts.items())
    shapes = shapes_of(space, list(texts), 1)
    assert len(shapes) == count
    settled = Settled(programs={key(s): "kernel" for s in shapes}, compiler="g++ 1", flags="-O3")
    read = Settled.from_dict(settled.as_dict())
    assert read == settled
    assert [read.of(shape) for shape in shapes] == ["kernel"] * count


def test_a_request_with_what_is_settled_is_read_as_it_was_written(cache: Path) -> None:
    """And another compiler makes it another search's."""
    request = prepare(Asked.of(ASKED), None).request
    assert Request.from_dict(request.as_dict()) == request
    plain = request.as_dict()
    plain["settled"]["compiler"] = "g++ 1"
    assert Request.from_dict(plain).mark != request.mark


@pytest.fixture
def driver(cache: Path, tmp_path: Path) -> Iterator[Driver]:
    """The driver of a search, with packs to give out."""
    prepared = prepare(Asked.of(ASKED), None)
    folder = create(tmp_path / "out", prepared.request, prepared.source)
    writer = Writer(folder, print)
    made = Driver(prepared, writer, RunOptions(engine="inline"), Silent(), 0.0)
    made.rounds.start()
    yield made
    made.rounds.stop()
    writer.close()


def taken(driver: Driver) -> Pack:
    """The next pack, as a worker takes it."""
    pack = driver.rounds.take(timeout=120)
    assert pack is not None
    driver.task(pack)
    return pack


def back(node: str, fault: str | None = None, **given: Any) -> Outcome:
    """A pack as a worker gives it back."""
    return Outcome(
        fitted=None, node=node, device="cpu", started=0.0, seconds=0.0, fault=fault, **given
    )


def test_a_pack_that_a_host_cannot_run_goes_to_others(driver: Driver) -> None:
    """As often as it comes back: no attempt is counted, and no row fails. Each host is told once.
    Once every host that lives has failed, the search ends."""
    live = {"one", "two"}
    driver.mishaps.hosts = Hosts(lambda: live)
    for _ in range(5):
        pack = taken(driver)
        driver.given(pack, back("one", "no compiler"), 0.1)
        assert driver.rounds.take() is pack
        driver.rounds.give_back(pack)
    assert driver.rounds.failed == driver.rounds.done == 0
    assert pack.attempt == pack.deaths == 0
    pack = taken(driver)
    done = Worker(driver.recipe).run(driver.task(pack))
    assert done.fault is None
    driver.given(pack, done, 0.1)
    assert driver.rounds.done == len(pack.lanes)
    with pytest.raises(ProgramLost, match="no room"):
        driver.given(taken(driver), back("two", "no room"), 0.1)
    live.add("three")
    driver.given(taken(driver), back("two", "no room"), 0.1)
    live -= {"three"}
    driver.given(taken(driver), back("two", stopped=True), 0.1)  # it has run: it is mended
    driver.given(taken(driver), back("one", "no compiler"), 0.1)


def test_on_one_machine_a_fault_ends_the_search_at_once(driver: Driver) -> None:
    """But not where it is told to stop in that moment."""
    with pytest.raises(ProgramLost, match=r"no host can run what search.toml says"):
        driver.given(taken(driver), back("here", "no compiler"), 0.1)


def test_a_worker_waits_before_it_says_that_its_host_is_at_fault(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that others take packs; told to stop it says so at once. It does not try again for a
    while, and does then."""
    prepared = prepare(Asked.of({**ASKED, "space": {"lr": "1e-6:1e-4"}}), None)
    recipe = recipe_of(prepared.request, prepared.source, prepared.defaults, gpu=False)
    recipe = replace(recipe, patience=1.0)
    pack = next(packs_of(prepared))
    task = Tasks(recipe, cache, None, lambda round_: 8).of(pack)
    clear(cache)
    monkeypatch.setenv("CXX", "no-such-c++")
    worker = Worker(recipe)
    for stop, least, most in ((lambda: False, 1.0, 3.0), (lambda: True, 0.0, 0.8)):
        began = time.monotonic()
        outcome = worker.run(task, stop)
        assert least <= time.monotonic() - began < most
        assert "there is no C++ compiler" in str(outcome.fault)
        assert (outcome.error, outcome.stopped, outcome.fitted) == (None, False, None)
    monkeypatch.delenv("CXX")
    assert worker.run(task, lambda: True).fault is not None
    monkeypatch.setattr("shoal.trainable.runners.stacked.AGAIN_SECONDS", 0.0)
    assert worker.run(task).fault is None


def test_kernels_of_another_version_are_named_and_not_mixed(cache: Path) -> None:
    """A search that began with compilers' own contraction has other last digits."""
    prepared = prepare(Asked.of({**ASKED, "space": {"lr": "1e-6:1e-4"}}), None)
    recipe = recipe_of(prepared.request, prepared.source, prepared.defaults, gpu=False)
    flags = " ".join(FLAGS).replace("contract=off", "contract=fast")
    recipe = replace(recipe, settled=replace(recipe.settled, flags=flags), patience=0.0)
    outcome = Worker(recipe).run(
        Tasks(recipe, cache, None, lambda _: 8).of(next(packs_of(prepared)))
    )
    assert outcome.fitted is None
    assert outcome.fault == (
        "the search began with another version of shoal, whose kernels are compiled with "
        "-ffp-contract=fast (-ffp-contract=off here); install that version"
    )


def packs_of(prepared: Prepared) -> Iterator[Pack]:
    """The first packs of a search."""
    none = rows.trials_schema(prepared.request).empty_table()
    rounds = Rounds(prepared.request, prepared.shape_names, none)
    rounds.start()
    while (pack := rounds.take(timeout=120)) is not None:
        yield pack
    rounds.stop()


def test_a_program_of_an_earlier_version_is_read_and_does_not_go_on() -> None:
    """Its table is read; its fits would have other last digits."""
    shape = {"programs": [{"program": "inductor", "shape": {"optimizer": "sgd"}}]}
    settled = Settled.from_dict({**shape, "compiler": "g++ 1", "flags": ""})
    assert settled.as_dict()["programs"] == shape["programs"]
    with pytest.raises(CompileError, match="an earlier version of shoal, by torch's ahead-of-time"):
        settled.of({"optimizer": "sgd"})


def test_a_checkpoint_is_of_one_program(cache: Path) -> None:
    """Another kind, compiler or flags give it another name."""
    prepared = prepare(Asked.of({**ASKED, "space": {"lr": "1e-6:1e-4"}}), None)
    pack = next(packs_of(prepared))
    recipe = recipe_of(prepared.request, prepared.source, prepared.defaults, gpu=False)
    shape = key(pack.lanes.shape)
    others = [
        Settled(programs={shape: kind}, compiler=compiler, flags=flags)
        for kind, compiler, flags in [
            ("kernel", "g++ 1", "-O3"),
            ("kernel", "g++ 2", "-O3"),
            ("kernel", "g++ 1", "-O2"),
            ("pieces", "g++ 1", "-O3"),
            ("eager", "g++ 1", "-O3"),
        ]
    ]
    names = {replace(recipe, settled=one).key(pack.lanes, 8) for one in others}
    assert len(names) == len(others)
