"""What the tests share: the command line, a finished search, tables compared, a Ray."""

from __future__ import annotations

import itertools
import json
import linecache
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from xdist.scheduler import LoadScopeScheduling

import shoal
from shoal.search.folder.reader import RunFolder
from shoal.search.folder.tables.rows import SEARCH

PLACE_AND_TIME = ["node", "device", "seconds", "started"]
"""Columns that may differ between two runs of one search."""

Shell = Callable[..., "subprocess.CompletedProcess[str]"]
PartOf = Callable[[Path, pa.Array], pa.Table]
Eventually = Callable[..., None]
StrangeCompiler = Callable[[Path, str], str]


GOOD = """
import torch


class Good:
    space = {"lr": "1e-3:1e-1:log"}

    def data(self):
        return torch.linspace(0, 1, 10)

    def initial(self, seed):
        return (torch.ones(()),)

    def loss_and_gradient(self, params, data):
        r = params[0] * data - 1
        return (r * r).sum(), ((2 * r * data).sum(),)
"""


def pytest_configure() -> None:
    """Let signals reach what the tests start, also where a shell runs them in the background or
    ``nohup`` does.

    And give torch one thread, as a worker has, here and in what is started: two of each of several
    processes on two cores wait for each other at each sum, many times as long as the sum takes.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # without annotations
    """Where the tests run in several processes: those of a file stay together, and those of the
    cluster share two clusters, of a process each: they wait most of their time."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith("tests/cluster/"):
            return "a cluster" if Path(file).stem in ("test_jobs", "test_search") else "another"
        return file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Share the tests out in this way."""
    return ByFile(config, log)


def pytest_testnodedown(node: Any, error: object) -> None:
    """Say how a process of the tests has died, and what its Ray has said last: its captured output
    is lost, and C++ of Ray's ends a process that loses its Ray."""
    if error is None:
        return
    with suppress(Exception):
        print(f"\n{node.gateway.id} ended with code {node.gateway._io.popen.wait(5)}")
    for log in Path(tempfile.gettempdir()).glob("shoal-*-*/ray/session_2*/logs/*"):
        if log.name.startswith(("core-driver", "raylet.", "gcs_server.")) and log.is_file():
            said = re.findall(r"^\[.* [WECF] .*", log.read_text(errors="replace"), re.MULTILINE)
            print(f"==> {log}", *(line[:300] for line in said[-15:]), sep="\n")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "measured":
                terminalreporter.write_line(f"measured: {value}")


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Compiled libraries of the tests, apart from the user's; one folder for all processes."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    os.environ["SHOAL_CACHE"] = str(shared / "cache")


class Commands:
    """Runs ``shoal`` with arguments, each time in a fork of one process that has imported torch."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._numbers = itertools.count()
        self._server: subprocess.Popen[str] | None = None

    def __call__(
        self, arguments: Sequence[str], cwd: Path, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("forking.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={
                    **os.environ,
                    "OPENBLAS_NUM_THREADS": "1",
                },  # before numpy
            )
        said, errors = (self._place / f"{next(self._numbers)}" for _ in range(2))
        argv = ["shoal", *arguments]
        files = {"stdout": str(said), "stderr": str(errors)}
        asked = {"argv": argv, "cwd": str(cwd), "environment": dict(os.environ), **files}
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps(asked), file=self._server.stdin, flush=True)
        child = int(self._server.stdout.readline())
        late = threading.Timer(timeout, os.kill, (child, signal.SIGKILL))
        late.start()
        code = int(self._server.stdout.readline())
        late.cancel()
        late.join()
        return subprocess.CompletedProcess(argv, code, said.read_text(), errors.read_text())

    def close(self) -> None:
        """End the process, if there is one."""
        if self._server is not None:
            self._server.communicate()


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """Ends with the tests of this process."""
    made = Commands(tmp_path_factory.mktemp("commands"))
    yield made
    made.close()


@pytest.fixture
def shell(tmp_path: Path, commands: Commands) -> Shell:
    """Run ``shoal`` with arguments in the test's own folder; return what it printed.

    With an environment of its own it is a new process from the beginning.
    """

    def run(
        *arguments: object, timeout: float = 240, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        if not environment:
            return commands([str(word) for word in arguments], tmp_path, timeout)
        return subprocess.run(
            [sys.executable, "-m", "shoal", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def same_table() -> Callable[[Path, Path], None]:
    """Compare the trials and curves of two run folders, all columns but place and time."""

    def compare(one: Path, other: Path) -> None:
        trials = [pandas.read_parquet(f / "trials.parquet") for f in (one, other)]
        dropped = [table.drop(columns=PLACE_AND_TIME) for table in trials]
        pandas.testing.assert_frame_equal(dropped[0], dropped[1], check_exact=True)
        curves = [pandas.read_parquet(f / "curves.parquet") for f in (one, other)]
        pandas.testing.assert_frame_equal(curves[0], curves[1], check_exact=True)

    return compare


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    """Wait until something holds, some minutes at the most."""

    def wait(holds: Callable[[], object], seconds: float = 240.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not come"
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def strange_compiler() -> StrangeCompiler:
    """Make a C++ compiler that tells its version, notes its process and its words in ``calls``, and
    goes on as the shell text says, where ``real`` compiles, from ``$IN`` to ``$OUT``."""

    def make(folder: Path, does: str) -> str:
        from shoal.trainable.compiling.toolchain import command

        script, real = folder / "strange-c++", command()[0]
        script.write_text(
            f"""#!/bin/sh
[ "$1" = --version ] && exec {real} --version
echo "$$ $*" >> {folder}/calls
for word; do
    [ "$before" = -o ] && OUT=$word
    case $word in *.cpp) IN=$word;; esac
    before=$word
done
real() {{ {real} "$@"; }}
{does}
"""
        )
        script.chmod(0o755)
        return str(script)

    return make


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk, which a test may mount again in another way; that needs root."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    options = "size=16m,mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="session")
def same_folder(same_table: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
    """Compare two run folders: their tables, and names and bytes of the kept parameters."""

    def compare(one: Path, other: Path) -> None:
        same_table(one, other)
        kept = [
            {file.name: file.read_bytes() for file in (folder / "parameters").iterdir()}
            for folder in (one, other)
        ]
        assert kept[0].keys() == kept[1].keys()
        assert [name for name in kept[0] if kept[0][name] != kept[1][name]] == []

    return compare


class Notebook:
    """Executes cells as ``__main__``, and keeps their text where IPython keeps it."""

    def __init__(self, main: types.ModuleType) -> None:
        self.names = vars(main)
        self._places = (f"<cell {number} of {id(self)}>" for number in itertools.count(1))

    def __call__(self, cell: str) -> None:
        place = next(self._places)
        linecache.cache[place] = (len(cell), None, cell.splitlines(keepends=True), place)
        exec(compile(cell, place, "exec", dont_inherit=True), self.names)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """A notebook of its own, which the test gives its cells."""
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    return Notebook(main)


class SharedRay:
    """A Ray of four CPUs that the searches of this process share; starting one takes seconds."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._is_open = False

    def open(self) -> None:
        """Start it, if it does not run."""
        from shoal.search.engines.ray_tune.cluster import connected

        if not self._is_open:
            self._open.enter_context(connected(None, 4, 0))
            self._is_open = True

    def close(self) -> None:
        """End it, if it runs."""
        self._is_open = False
        self._open.close()


@pytest.fixture(scope="session")
def shared_ray() -> Iterator[SharedRay]:
    """Ends with the tests of this process."""
    shared = SharedRay()
    yield shared
    shared.close()


@pytest.fixture
def one_ray(shared_ray: SharedRay) -> None:
    """The test's searches run on the shared Ray."""
    shared_ray.open()


@pytest.fixture
def no_ray(shared_ray: SharedRay) -> None:
    """The test's searches start a Ray each, whose workers have this test's environment."""
    shared_ray.close()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run folder of 8 trials of a problem file that is gone; to be copied."""
    place = tmp_path_factory.mktemp("finished")
    problem = place / "good.py"
    problem.write_text(GOOD)
    shoal.run(
        f"{problem}:Good", trials=8, steps=5, out=place / "out", engine="inline", program="eager"
    )
    problem.unlink()
    return place / "out"


@pytest.fixture(scope="session")
def part_of() -> PartOf:
    """Return those rows of a finished search that a mask chooses, with their curves, as a part."""

    def part(whole: Path, chosen: pa.Array) -> pa.Table:
        trials, curves = (pq.read_table(whole / f"{name}.parquet") for name in ("trials", "curves"))
        steps = curves.group_by(["trial", "replicate"], use_threads=False).aggregate(
            [("step", "list"), ("loss", "list")]
        )
        lists = steps.sort_by([("trial", "ascending"), ("replicate", "ascending")])
        rows = trials.append_column("curve_step", lists["step_list"])
        rows = rows.append_column("curve_loss", lists["loss_list"]).filter(chosen)
        return rows.replace_schema_metadata({SEARCH: RunFolder.open(whole).request.mark})

    return part
