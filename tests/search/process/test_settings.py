"""A search runs under settings of its own: a session's change no table, and are left alone."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
import torch

import shoal
from shoal.trainable.process.switches import SETTINGS

Shell = Callable[..., "subprocess.CompletedProcess[str]"]

PROBLEM = """
class P:
    space = {"lr": "1e-3:1e-1:log", "scale": "0.1:1"}

    def data(self):
        x = torch.linspace(-1, 1, 50)
        return x, torch.sin(3 * x) + NOISE.to(x.dtype)

    def initial(self, seed, scale=1.0):
        generator = torch.Generator().manual_seed(seed)
        return (torch.randn(3, generator=generator) * scale,)

    def loss_and_gradient(self, params, data):
        (w,), (x, y) = params, data
        X = torch.stack([x**0, x, x * x])
        r = w @ X - y
        return (r * r).mean(), (2 * (X @ r) / 50,)
"""

NOTHING = "import torch\nNOISE = torch.zeros(50)\n"

WORDS = {"trials": 16, "steps": 30, "seed": 1, "round": 8, "pack": 4}

NUMBERS = ["trial", "replicate", "lr", "scale", "loss", "state", "steps", "round", "pack"]


def write(folder: Path, head: str, name: str = "p.py") -> str:
    """Write a problem that begins with `head`; return it as it is named."""
    (folder / name).write_text(head + PROBLEM)
    return f"{folder / name}:P"


def here(problem: str, out: Path, **given: Any) -> pandas.DataFrame:
    """The table of a search in this process."""
    usual = {"engine": "inline", "workers": 2}
    return shoal.run(problem, out=out, **{**WORDS, **usual, **given}).trials[NUMBERS]


def typed(problem: str, out: Path, shell: Shell, *more: str) -> pandas.DataFrame:
    """The table of the same search by the command line, in a fresh process."""
    words = [word for name, value in WORDS.items() for word in (f"--{name}", value)]
    done = shell("run", problem, *words, "--quiet", "--engine", "inline", *more, "--out", out)
    assert done.returncode == 0, done.stderr
    return pandas.read_parquet(out / "trials.parquet")[NUMBERS]


@contextmanager
def put(name: str, value: Any) -> Iterator[None]:
    """Put a setting of torch's or numpy's to a value for a while."""
    before = SETTINGS[name].get()
    SETTINGS[name].set(value)
    try:
        yield
    finally:
        SETTINGS[name].set(before)


@contextmanager
def errors_for_warnings() -> Iterator[None]:
    """As ``warnings.simplefilter("error")`` has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextmanager
def seeds() -> Iterator[None]:
    """Seeds of one's own in every global generator."""
    torch.manual_seed(7)
    numpy.random.seed(7)
    random.seed(7)
    yield


CHANGES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "default dtype": lambda: put("default dtype", torch.float64),
    "half as default dtype": lambda: put("default dtype", torch.bfloat16),
    "default device": lambda: put("default device", torch.device("meta")),
    "a device's block": lambda: torch.device("meta"),
    "no gradients": lambda: put("gradients", False),
    "inference mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "deterministic": lambda: put("deterministic", (True, False)),
    "denormals are zero": lambda: put("denormals are zero", True),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "anomalies": lambda: put("anomalies", (True, True)),
    "mkldnn": lambda: put("mkldnn", False),
    "precision": lambda: put("precision, mkldnn matmul", "bf16"),
    "numpy's errors": lambda: numpy.errstate(all="raise"),
    "warnings": errors_for_warnings,
    "seeds": seeds,
}


def state() -> dict[str, Any]:
    """All that a search is to leave as it is."""
    return {
        **{name: setting.get() for name, setting in SETTINGS.items()},
        "threads": torch.get_num_threads(),
        "filters": list(warnings.filters),
        "seeds": (torch.get_rng_state().tolist(), str(numpy.random.get_state()), random.getstate()),
        "device": torch.get_default_device(),
        "inference": torch.is_inference_mode_enabled(),
    }


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, pandas.DataFrame]:
    """A problem and its table, by the command line."""
    folder = tmp_path_factory.mktemp("plain")
    problem = write(folder, NOTHING)
    words = [str(word) for name, value in WORDS.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "shoal", "run", problem, *words, "--quiet", "--out"]
    subprocess.run([*command, str(folder / "out")], check=True, capture_output=True)
    return problem, pandas.read_parquet(folder / "out" / "trials.parquet")[NUMBERS]


@pytest.fixture(scope="module")
def compiled(
    plain: tuple[str, pandas.DataFrame], tmp_path_factory: pytest.TempPathFactory
) -> pandas.DataFrame:
    """The table of its kernels, in a session without settings of its own."""
    return here(plain[0], tmp_path_factory.mktemp("compiled") / "usual", program="compiled")


@pytest.mark.parametrize("program", ["eager", "compiled"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_sessions_settings_change_no_table_and_stay(
    change: str,
    program: str,
    plain: tuple[str, pandas.DataFrame],
    compiled: pandas.DataFrame,
    tmp_path: Path,
) -> None:
    """The table is that of the command line, and each setting is what it was before."""
    problem, table = plain
    if program == "compiled":
        table = compiled
    with CHANGES[change]():
        before = state()
        found = here(problem, tmp_path / "out", program=program)
        after = state()
    pandas.testing.assert_frame_equal(found, table, check_exact=True)
    assert after == before


def test_a_search_that_is_refused_leaves_the_settings_too(tmp_path: Path) -> None:
    """Whether the problem cannot be imported, or breaks its contract."""
    bad = (
        "import torch\ntorch.set_default_dtype(torch.float64)\n1 / 0\n",
        "import torch\ntorch.set_default_dtype(torch.float64)\nNOISE = 1\n",
    )
    for number, head in enumerate(bad):
        before = state()
        with pytest.raises(shoal.BadInput, match=f"p{number}.py"):
            here(write(tmp_path, head, f"p{number}.py"), tmp_path / "out")
        assert state() == before


HEADS = {
    "default dtype": NOTHING + "torch.set_default_dtype(torch.float64)\n",
    "random numbers": (
        "import random, numpy, torch\n"
        "NOISE = torch.randn(50) + torch.tensor(numpy.random.rand(50)) + random.random()\n"
    ),
    "denormals": (
        "import torch\ntorch.set_flush_denormal(True)\nNOISE = torch.ones(50) * 1e-40 * 1e38\n"
    ),
    "threads": NOTHING + "torch.set_num_threads(2)\n",
    "no gradients": NOTHING + "torch.set_grad_enabled(False)\n",
}
"""What a problem's file may do where it is imported, which is then a part of the problem."""


@pytest.mark.parametrize("what", HEADS)
def test_what_a_problem_sets_where_it_is_imported_holds_everywhere(
    what: str, tmp_path: Path, shell: Shell
) -> None:
    """In the command line, in threads, a second time in one process, and with a session's own."""
    problem = write(tmp_path, HEADS[what] + f"# {tmp_path}\n")
    table = typed(problem, tmp_path / "typed", shell)
    before = state()
    first = here(problem, tmp_path / "first")
    with put("default dtype", torch.float16), seeds():
        second = here(problem, tmp_path / "second")
    pandas.testing.assert_frame_equal(first, table, check_exact=True)
    pandas.testing.assert_frame_equal(second, table, check_exact=True)
    assert {**state(), "seeds": 0} == {**before, "seeds": 0}


@pytest.mark.long
def test_it_holds_in_the_processes_of_ray(tmp_path: Path, one_ray: None) -> None:
    """Each worker imports the problem itself."""
    del one_ray
    denormals = HEADS["denormals"].replace("NOISE = ", "NOISE = NOISE + ")
    head = HEADS["random numbers"] + denormals + "torch.set_default_dtype(torch.float64)\n"
    problem = write(tmp_path, head + f"# {tmp_path}\n")
    tables = [here(problem, tmp_path / engine, engine=engine) for engine in ("inline", "ray")]
    pandas.testing.assert_frame_equal(*tables, check_exact=True)


def test_another_problem_is_not_touched_by_it(
    plain: tuple[str, pandas.DataFrame], tmp_path: Path
) -> None:
    """One after the other in one process: the first's settings end with it."""
    here(write(tmp_path, HEADS["default dtype"]), tmp_path / "one")
    problem, table = plain
    pandas.testing.assert_frame_equal(here(problem, tmp_path / "two"), table, check_exact=True)


def test_searches_in_threads_share_fresh_settings(
    plain: tuple[str, pandas.DataFrame], tmp_path: Path
) -> None:
    """Several at once under a session's dtype, each with the usual table; then the dtype again."""
    problem, table = plain
    found: dict[int, pandas.DataFrame] = {}

    def one(number: int) -> None:
        found[number] = here(problem, tmp_path / str(number), steps=30, workers=1)

    with put("default dtype", torch.float64):
        threads = [threading.Thread(target=one, args=(number,)) for number in range(3)]
        with ExitStack() as stack:
            for thread in threads:
                thread.start()
                stack.callback(thread.join)
        assert torch.get_default_dtype() == torch.float64
    assert len(found) == 3
    for other in found.values():
        pandas.testing.assert_frame_equal(other, table, check_exact=True)


def test_a_problem_with_settings_of_its_own_runs_alone(
    plain: tuple[str, pandas.DataFrame], tmp_path: Path
) -> None:
    """Beside another search of the same process it is refused, and does that one no harm."""
    problem, table = plain
    own = write(tmp_path, HEADS["default dtype"] + "import os, time\n" + WAITING)
    told: list[str] = []
    beside = threading.Thread(
        target=lambda: told.append(refusal(problem, tmp_path / "beside", tmp_path))
    )
    beside.start()
    here(own, tmp_path / "own", workers=1)
    beside.join()
    assert "cannot run beside another search in one process" in told[0]
    pandas.testing.assert_frame_equal(here(problem, tmp_path / "after"), table, check_exact=True)


WAITING = """
open(os.path.join(os.path.dirname(__file__), "begun"), "w").close()
for _ in range(600):
    if os.path.exists(os.path.join(os.path.dirname(__file__), "refused")):
        break
    time.sleep(0.05)
"""
"""Waits, where it is imported, until the other search has been refused."""


def refusal(problem: str, out: Path, folder: Path) -> str:
    """Begin a search once the other has begun; return what it is refused with."""
    for _ in range(600):
        if (folder / "begun").exists():
            break
        threading.Event().wait(0.05)
    try:
        here(problem, out)
    except shoal.BadInput as error:
        return str(error)
    finally:
        (folder / "refused").touch()
    return "not refused"
