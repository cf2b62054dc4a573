"""In a Python program signals, loggers and threads of its libraries are the program's own."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

import shoal
from shoal.search.process import blas
from shoal.search.process.handlers import Taken
from shoal.search.process.settings import own_settings

SLOW: dict[str, Any] = {
    "trials": 8,
    "steps": 20000,
    "round": 8,
    "pack": 8,
    "sampler": "random",
    "report": 20000,
    "program": "eager",
    "engine": "inline",
    "workers": 1,
}
"""A pack of several seconds."""

QUICK: dict[str, Any] = {"trials": 8, "steps": 5, "engine": "inline"}

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Each test ends with the handlers that it began with."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def strike(out: Path, number: int) -> threading.Thread:
    """Send this process a signal once a search is fitting into `out`."""

    def wait() -> None:
        while not (out / ".lock").exists():
            time.sleep(0.01)
        time.sleep(1.0)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_ctrl_c_saves_and_no_loop_over_searches_swallows_it(tmp_path: Path) -> None:
    """It is a KeyboardInterrupt and no Exception; what was in flight is saved, and handlers are
    those that were."""
    out = tmp_path / "out"
    signal.signal(signal.SIGINT, signal.default_int_handler)
    before = [signal.getsignal(number) for number in NUMBERS]
    strike(out, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="interrupted, fits of 1 worker saved; ") as caught:
        shoal.run(**SLOW, out=out)
    assert isinstance(caught.value, shoal.Interrupted)
    assert not isinstance(caught.value, Exception)
    assert len(list((out / "packs").glob("*.pt"))) == 1
    assert [signal.getsignal(number) for number in NUMBERS] == before


def test_a_host_programs_handler_hears_its_signal_and_the_search_goes_on(tmp_path: Path) -> None:
    """Nothing of it ends the search."""
    heard: list[int] = []

    def own(number: int, frame: object) -> None:
        heard.append(number)

    signal.signal(signal.SIGTERM, own)
    struck = strike(tmp_path / "out", signal.SIGTERM)
    result = shoal.run(**{**SLOW, "steps": 8000}, out=tmp_path / "out")
    struck.join()
    assert heard == [signal.SIGTERM]
    assert len(result.trials) == 8
    assert signal.getsignal(signal.SIGTERM) is own


def test_default_handlers_alone_are_taken(tmp_path: Path) -> None:
    """Not those that are set in C, which Python takes for default ones, nor ignored signals (but
    for SIGINT, which shells ignore in what their scripts start in the background). Whoever sets
    others meanwhile (Ray Tune does) does so in vain."""

    def hear(number: int, frame: object) -> None:
        raise AssertionError("it was not to be heard")

    with open(tmp_path / "told", "w+") as told:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        faulthandler.register(signal.SIGUSR1, file=told)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        taken = Taken(NUMBERS, hear)
        try:
            assert taken.numbers == {signal.SIGINT, signal.SIGTERM}
            signal.signal(signal.SIGHUP, hear)
            signal.signal(signal.SIGUSR1, hear)
            taken.again()
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGUSR1)
        finally:
            taken.put_back()
            faulthandler.unregister(signal.SIGUSR1)
        assert "test_default_handlers_alone_are_taken" in Path(told.name).read_text()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_search_in_another_thread_leaves_all_signals(tmp_path: Path) -> None:
    """It runs, and takes none."""
    rows: list[int] = []
    thread = threading.Thread(
        target=lambda: rows.append(len(shoal.run(**QUICK, out=tmp_path / "out").trials))
    )
    thread.start()
    thread.join()
    assert rows == [8]


def test_sigterm_ends_a_python_program_once_all_is_saved(tmp_path: Path) -> None:
    """By the signal's own action, as without a search."""
    program = f"import shoal; shoal.run(**{SLOW!r}, out='out'); print('not to be told')"
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    while process.poll() is None and not (tmp_path / "out/.lock").exists():
        time.sleep(0.02)
    time.sleep(1.0)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate()
    assert process.returncode == -signal.SIGTERM
    assert said == ""
    assert len(list((tmp_path / "out/packs").glob("*.pt"))) == 1


def test_loggers_are_left_as_they_were(tmp_path: Path) -> None:
    """Levels, handlers and whether they hand on; Optuna's verbosity too."""
    names = ("", "optuna", "torch", "ray", "ray.tune")
    loggers = [logging.getLogger(name) for name in names]

    def state() -> list[Any]:
        return [(each.level, each.propagate, list(each.handlers)) for each in loggers]

    before, verbosity = state(), optuna.logging.get_verbosity()
    shoal.run(**QUICK, sampler="optuna-tpe", out=tmp_path / "out").study()
    assert state() == before
    assert optuna.logging.get_verbosity() == verbosity


def test_blas_has_one_thread_while_a_search_runs_and_its_own_again() -> None:
    """As in the command, so that both cost the same; also where searches overlap in threads."""
    libraries = list(blas._libraries())  # numpy's, and scipy's where that was imported
    before = [get() for get, _ in libraries]
    for _, put in libraries:
        put(2)

    def now() -> set[int]:
        return {get() for get, _ in libraries}

    def within() -> None:
        with own_settings():
            seen.append(now())

    try:
        with own_settings():
            assert now() == {1}
            seen: list[set[int]] = []
            thread = threading.Thread(target=within)
            thread.start()
            thread.join()
            assert seen == [{1}]
            assert now() == {1}
        assert now() == {2}
    finally:
        for (_, put), count in zip(libraries, before, strict=True):
            put(count)
