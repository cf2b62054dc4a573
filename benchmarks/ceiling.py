"""What the driver can do: searches whose fits are nearly empty, so that all else is what is seen.

    python benchmarks/ceiling.py          a line for each search, then the figures
    python benchmarks/ceiling.py --json   the figures as one JSON object

Figures, start-up aside (from the first pack in a worker's hands to the merged tables):

    lanes_per_second      in packs of 4,096 and of 512 lanes, as `shoal run` does it by itself
    by_ray_tune           the same on two workers of Ray Tune, which it takes for larger fits
    seconds_per_lane      of 10⁴, 10⁵ and 10⁶ lanes in packs of 4,096, and the growth over them
    driver_peak_mib       the most memory of the driver at the largest search
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROBLEM = '''
import torch

class Empty:
    """One parameter, one point."""

    space = {"lr": "0.1:0.2"}

    def data(self):
        return torch.zeros(1)

    def initial(self, seed):
        return (torch.ones(()),)

    def loss_and_gradient(self, params, data):
        (w,) = params
        return w * w, (2 * w,)
'''
PACK, SMALL_PACK, WORKERS = 4096, 512, 2
GROWTH = (10_000, 100_000, 1_000_000)
SMALL_SEARCH = 100_000


def search(folder: Path, lanes: int, pack: int, engine: str) -> dict[str, Any]:
    """Run a search of near-empty fits; return its seconds a lane and its driver's peak memory."""
    (folder / "empty.py").write_text(PROBLEM, encoding="utf-8")
    words = [
        "run",
        f"{folder / 'empty.py'}:Empty",
        "--steps",
        "1",
        "--sampler",
        "random",
        "--seed",
        "0",
        "--trials",
        lanes,
        "--pack",
        pack,
        "--engine",
        engine,
        "--quiet",
        "--json",
        "--out",
        folder / f"{engine}-{lanes}-{pack}",
        *(["--workers", WORKERS] if engine == "ray" else []),
    ]
    command = [sys.executable, "-m", "shoal", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"the search of {lanes} lanes ended with exit code {process.returncode}")
    spent = json.loads(said)["seconds"]
    seconds = sum(spent.values()) - spent["start-up"]
    return {
        "lanes": lanes,
        "pack": pack,
        "seconds": spent,
        "seconds_per_lane": seconds / lanes,
        "driver_peak_mib": usage.ru_maxrss / 1024,  # of it, or of a process that it waited for
    }


def rates(*runs: dict[str, Any]) -> dict[str, int]:
    """Lanes a second, by the size of packs."""
    return {str(run["pack"]): round(1 / run["seconds_per_lane"]) for run in runs}


def main() -> None:
    """Run the searches and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object only")
    parser.add_argument("--most", type=int, default=GROWTH[-1], help="lanes of the largest search")
    given = parser.parse_args()
    sizes = [lanes for lanes in GROWTH if lanes < given.most] + [given.most]
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for lanes, pack, engine in [
            (min(SMALL_SEARCH, given.most), SMALL_PACK, "ray"),
            (given.most, PACK, "ray"),
            (min(SMALL_SEARCH, given.most), SMALL_PACK, "auto"),
            *((n, PACK, "auto") for n in sizes),
        ]:
            run = search(Path(folder), lanes, pack, engine)
            runs.append(run)
            if not given.json:
                spent = ", ".join(f"{name} {s:.1f} s" for name, s in run["seconds"].items() if s)
                print(f"{lanes:>9,} lanes in packs of {pack:,}, {engine}: {spent}", flush=True)
    small_by_ray, large_by_ray, small, *growing = runs
    largest = growing[-1]
    figures = {
        "lanes_per_second": rates(largest, small),
        "by_ray_tune": rates(large_by_ray, small_by_ray),
        "seconds_per_lane": {str(run["lanes"]): run["seconds_per_lane"] for run in growing},
        "growth": largest["seconds_per_lane"] / growing[0]["seconds_per_lane"],
        "driver_peak_mib": round(largest["driver_peak_mib"]),
        "workers": WORKERS,
    }
    if given.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:18} {value}")


if __name__ == "__main__":
    main()
