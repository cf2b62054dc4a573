"""Fuzz the kernels: random problems, fused and as torch runs them, for as long as is given.

    python tests/fuzzing/campaign.py --minutes 30      # what `make fuzz` does
    python tests/fuzzing/campaign.py --seed 628        # one problem: its source and what differs

Two thirds of the time kernels are compiled as in a search, one third with AddressSanitizer and
UndefinedBehaviorSanitizer. Last come the controls: a planted operator fault has to be found, and a
planted read beyond the data has to be reported. The exit code is 0 if nothing differs, at least
80 % of the problems are fused, and both controls are found.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from fuzzing.faults import BEYOND, OPERATORS, Fault, kind
from fuzzing.grammar import problem
from fuzzing.trial import Result, Trial, tried

from shoal.trainable.fused.loops.operators import NotLowered

MIN_FUSED = 0.8

KEPT = 200
"""Problems after which compiled libraries are removed."""

SANITIZERS = ("libasan.so", "libubsan.so")


class Tally:
    """What has come of problems so far."""

    def __init__(self) -> None:
        self.tried = self.pieces = self.compared = self.unsettled = 0
        self.refused: Counter[str] = Counter()
        self.wrong: list[str] = []

    def add(self, result: Result) -> None:
        """Count a problem."""
        self.tried += 1
        self.pieces += result.pieces
        self.compared += result.compared
        self.unsettled += result.unsettled
        if result.refused is not None:
            self.refused[result.refused[:60]] += 1
        for line in result.wrong:
            self.wrong.append(f"seed {result.seed}: {line}")
            print(self.wrong[-1], flush=True)

    @property
    def fused(self) -> float:
        """The share of the problems that are kernels, or kernels and calls of torch."""
        return 1 - self.refused.total() / max(1, self.tried)

    def text(self) -> str:
        """All of it in a few lines."""
        pieces = self.pieces / max(1, self.tried)
        lines = [
            f"{self.tried} problems, {self.fused:.1%} fused ({pieces:.1%} in pieces), "
            f"{len(self.wrong)} mismatches",
            f"{self.compared} numbers compared, {self.unsettled} left out: rounding decides them",
            *(f"  {count} not fused: {why}" for why, count in self.refused.most_common()),
        ]
        return "\n".join(lines)


def _begin() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # torch warns of what the grammar writes
    os.environ["SHOAL_CACHE"] = tempfile.mkdtemp(dir=os.environ["SHOAL_CACHE"])


def _one(seed: int) -> Result:
    if seed % KEPT == 0:
        for library in Path(os.environ["SHOAL_CACHE"]).iterdir():
            library.unlink(missing_ok=True)
    try:
        return tried(problem(seed))
    except Exception as error:
        return Result(seed, wrong=[f"{type(error).__name__}: {error}"[:300]])


def campaign(seeds: Iterator[int], until: float, processes: int, tally: Tally) -> None:
    """Try problems until a time, in some processes."""
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_begin)
    with pool:
        flight: set[Future[Result]] = set()
        while time.monotonic() < until or flight:
            while time.monotonic() < until and len(flight) < 2 * processes:
                flight.add(pool.submit(_one, next(seeds)))
            done, flight = wait(flight, return_when=FIRST_COMPLETED)
            for future in done:
                tally.add(future.result())


def sanitized(first: int, seconds: float, fault: str = "") -> tuple[int, str, str]:
    """Try problems in a process whose kernels watch what they read and write.

    Returns:
        how many were tried, what it printed of mismatches, and what the sanitizers reported.
    """
    found = [
        subprocess.run(
            ["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in SANITIZERS
    ]
    done = subprocess.run(
        [sys.executable, __file__, "--watched", str(first), str(seconds), fault],
        env={
            **os.environ,
            "LD_PRELOAD": " ".join(found),
            "ASAN_OPTIONS": "detect_leaks=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    tried_ = done.stdout.count("tried ")
    told = "\n".join(line for line in done.stdout.splitlines() if not line.startswith("tried "))
    reports = [
        line for line in done.stderr.splitlines() if "ERROR: " in line or "runtime er" in line
    ]
    if done.returncode and not reports:
        reports = done.stderr.splitlines()[-3:]
    return tried_, told, "\n".join(reports)


def _watched(first: int, seconds: float, fault: str) -> None:
    """What the process does."""
    _begin()
    os.environ.pop("LD_PRELOAD", None)  # it is loaded here; the compiler needs it not
    kernel = kind(BEYOND if fault else None, sanitized=True)
    until, seeds = time.monotonic() + seconds, iter(range(first, sys.maxsize))
    while time.monotonic() < until:
        seed = next(seeds)
        if fault and not reached(BEYOND, seed):
            continue
        result = tried(problem(seed), kernel)
        print(f"tried {seed}", flush=True)
        if result.wrong and not fault:
            print(f"seed {seed}: {result.wrong[0]}", flush=True)


def reached(fault: Fault, seed: int) -> bool:
    """Whether a problem is fused, and its kernel has a use for what a fault changes."""
    try:
        source = Trial(problem(seed)).kernel().source
    except NotLowered:
        return False
    return fault.planted(source) != source


def found(name: str, seeds: Iterable[int]) -> int | None:
    """Return the first problem that tells a planted operator fault from a good kernel."""
    (fault,) = [fault for fault in OPERATORS if fault.name == name]
    used = (seed for seed in seeds if reached(fault, seed))
    return next((seed for seed in used if tried(problem(seed), kind(fault)).wrong), None)


def show(seed: int) -> bool:
    """Print a problem, and what differs; return whether nothing does."""
    given = problem(seed)
    print(given.source)
    print("parameters", given.params)
    print("data", {name: (tuple(t.shape), t.dtype, t.stride()) for name, t in given.data.items()})
    print(f"{given.dtype}, {given.optimizer if given.gradient else 'values'}")
    result = tried(given)
    print(result)
    return not result.wrong


def main() -> int:
    """Run the campaign; return the exit code."""
    parser = argparse.ArgumentParser(description="Fuzz the kernels.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, help="show one problem")
    parser.add_argument("--watched", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temp:
        os.environ["SHOAL_CACHE"] = temp
        if asked.watched is not None:
            first, seconds, fault = asked.watched
            _watched(int(first), float(seconds), fault)
            return 0
        _begin()
        if asked.seed is not None:
            return 0 if show(asked.seed) else 1
        return _campaign(asked.first, asked.minutes * 60, asked.processes)


def _campaign(first: int, seconds: float, processes: int) -> int:
    tally, seeds = Tally(), iter(range(first, sys.maxsize))
    campaign(seeds, time.monotonic() + seconds * 2 / 3, processes, tally)
    print(tally.text(), flush=True)
    watched, told, reports = sanitized(first, seconds / 3)
    print(f"{watched} problems with sanitizers: {told or 'no mismatch'}; {reports or 'no report'}")
    control = found("plus as minus", range(first, first + 20))
    print(f"control, an operator fault: {'not found' if control is None else f'found, {control}'}")
    _, _, report = sanitized(first, 60.0, fault="beyond")
    print(f"control, a read beyond the data: {report or 'not reported'}")
    good = not tally.wrong and tally.fused >= MIN_FUSED and watched and not told and not reports
    return 0 if good and control is not None and "AddressSanitizer" in report else 1


if __name__ == "__main__":
    sys.exit(main())
