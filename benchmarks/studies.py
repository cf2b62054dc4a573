"""A search of 32,768 trials as a study, and what `shoal watch` costs a search.

    python benchmarks/studies.py [--trials 32768]

It prints seconds, and seconds of CPU, of `shoal export` of trials of four hyperparameters into a
journal and a database, with 0 and with 20 reports each, as whole processes; of `result.study()`
alone; and of a search that nobody watches, and of the same one while a page does.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SHOAL = [sys.executable, "-m", "shoal"]
SPACE = ["lr=1e-8:1e-4:log", "momentum=0:0.99", "ema=0.5:0.99", "warmup=0:0.2"]
SEARCH = ["run", "cubic-sine", "--space", "optimizer=momentum", "--sampler", "random", "--quiet"]
PAUSE_SECONDS = 1.0
"""Of the page between two questions."""

STUDY = """
import json, sys, time
import shoal
result = shoal.load(sys.argv[1])
result.trials, result.curves
began, spent = time.perf_counter(), time.process_time()
study = result.study()
print(json.dumps([time.perf_counter() - began, time.process_time() - spent, len(study.trials)]))
"""


def timed(work: Callable[[], None]) -> str:
    """Do something in other processes; return its seconds and those of CPU, in words."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    work()
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{seconds:.1f} s ({spent:.1f} s of CPU)"


def searched(place: Path, name: str, trials: int, steps: int) -> list[str]:
    """The command of a search with 20 reports a trial."""
    space = [word for text in SPACE for word in ("--space", text)]
    numbers = ["--trials", str(trials), "--steps", str(steps), "--out", str(place / name)]
    return [*SHOAL, *SEARCH, *space, *numbers]


def followed(address: str, over: threading.Event) -> None:
    """Ask for what is new, as the page does, until it is over."""
    version = ""
    while not over.wait(PAUSE_SECONDS):
        asked = f"{address}news?after={version}"
        with suppress(OSError), urllib.request.urlopen(asked) as answer:
            answer.read()
            version = answer.headers.get("X-Version", version)


def watched(command: list[str], run: Path) -> tuple[float, float]:
    """The seconds of a search that is watched from its first moment, and those of CPU of what
    watches it."""
    began = time.perf_counter()
    search = subprocess.Popen(command)
    while not (run / "search.toml").exists() and search.poll() is None:
        time.sleep(0.05)
    watch = subprocess.Popen([*SHOAL, "watch", str(run)], stdout=subprocess.PIPE, text=True)
    over = threading.Event()
    try:
        assert watch.stdout is not None
        address = watch.stdout.readline().split()[1]
        page = threading.Thread(target=followed, args=(address, over))
        page.start()
        search.wait()
        seconds = time.perf_counter() - began
        over.set()
        page.join()
    finally:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        watch.terminate()
        watch.wait()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=32768)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--watched-steps", type=int, default=2000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="studies-") as folder:
        place = Path(folder)
        subprocess.run(searched(place, "run", given.trials, given.steps), check=True)
        for reports in (0, 20):
            for kind in ("journal:", "sqlite:///"):
                storage = f"{kind}{place}/{reports}"
                words = ["export", str(place / "run"), "--storage", storage]
                command = [*SHOAL, *words, "--reports", str(reports)]
                told = timed(lambda command=command: subprocess.run(command, check=True))
                print(f"{kind} {given.trials:,} trials, {reports} reports each: {told}", flush=True)
                Path(storage.removeprefix(kind)).unlink()
        done = subprocess.run(
            [sys.executable, "-c", STUDY, str(place / "run")],
            check=True,
            capture_output=True,
            text=True,
        )
        seconds, spent, trials = json.loads(done.stdout.splitlines()[-1])
        print(f"result.study(), {trials:,} trials: {seconds:.1f} s ({spent:.1f} s of CPU)")
        alone, seen, spent_watching = [], [], []
        for turn in range(3):
            command = searched(place, f"alone{turn}", given.trials, given.watched_steps)
            began = time.perf_counter()
            subprocess.run(command, check=True)
            alone.append(time.perf_counter() - began)
            command = searched(place, f"seen{turn}", given.trials, given.watched_steps)
            seconds, spent = watched(command, place / f"seen{turn}")
            seen.append(seconds)
            spent_watching.append(spent)
        told = f"{statistics.median(alone):.1f} s alone, {statistics.median(seen):.1f} s watched"
        told += f", by a process that took {statistics.median(spent_watching):.1f} s of CPU"
        print(f"a search of {given.trials:,} trials of {given.watched_steps} steps: {told}")


if __name__ == "__main__":
    main()
