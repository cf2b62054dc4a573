"""Whether two commits make the same numbers: searches over engines, samplers, replicates, resumes.

python tests/two_commits.py OLD [NEW]      NEW: HEAD

Each commit is checked out into a folder of its own and run by this interpreter. Trials and curves
are compared bit for bit, all columns but those of place and time. Names may have changed: a column
of the old commit is compared with the one that has its place in the new one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pandas

ROOT = Path(__file__).resolve().parent.parent
PLACE_AND_TIME = ["node", "device", "seconds", "started", "error"]
MIXED = ["--space", "lr=1e-7:1e-3:log", "--space", "OPTIMIZER=sgd,momentum,adam"]

SEARCHES: dict[str, list[str]] = {
    "default": [],
    "ray, three workers": ["--engine", "ray", "--workers", "3", "--trials", "96"],
    "eager": ["--program", "eager", "--trials", "64", "--seed", "5"],
    "compiled": ["--program", "compiled", "--trials", "512", "--steps", "300"],
    "optimizers": ["legendre-sine", *MIXED, "--space", "momentum=0:0.99", "--trials", "96"],
    "optimizers, ray": [
        "legendre-sine",
        *MIXED,
        "--trials",
        "64",
        "--engine",
        "ray",
        "--workers",
        "2",
    ],
    "optuna-tpe": ["--sampler", "optuna-tpe", "--trials", "48", "--steps", "100"],
    "qmc": ["--sampler", "qmc", "--trials", "200", "--steps", "150"],
    "random": ["--sampler", "random", "--trials", "200", "--steps", "150", "--seed", "9"],
    "replicates": ["--replicates", "3", "--trials", "60", "--report", "7", "--steps", "333"],
    "small packs": ["--trials", "100", "--round", "10", "--pack", "4", "--block", "3"],
    "integers": [
        "examples/ridge.py:Ridge",
        "--space",
        "degree=2:5:int",
        "--trials",
        "40",
        "--steps",
        "200",
    ],
    "choices": ["--space", "lr=1e-6,1e-5,1e-7", "--trials", "24", "--replicates", "2"],
    "diverging": ["--space", "lr=1e-7:1e-2:log", "--trials", "128", "--diverge-factor", "3"],
    "resumed": ["--trials", "4096", "--steps", "2000", "--time-budget", "3s"],
    "resumed, ray": [
        "--trials",
        "512",
        "--steps",
        "2000",
        "--program",
        "eager",
        "--engine",
        "ray",
        "--workers",
        "2",
        "--time-budget",
        "40s",
    ],
}
"""Names of searches, each with its arguments; what is resumed is run until it is whole."""


class Commit:
    """A commit in a folder of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        git = ["git", "-C", str(ROOT)]
        subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
        self.id = subprocess.run(
            [*git, "rev-parse", "--short", name], capture_output=True, text=True, check=True
        ).stdout.strip()
        subprocess.run(["git", "-C", folder, "checkout", "-q", self.id], check=True)
        self.folder = folder
        packaged = (folder / "src" / "shoal").is_dir()
        self._module = "shoal" if packaged else "search"
        self._optimizer = "optimizer" if packaged else "rule"
        path = str(folder / "src" if packaged else folder)
        self._environment = {
            **os.environ,
            "PYTHONPATH": path,
            "SHOAL_CACHE": str(folder.with_suffix(".cache")),
        }

    def run(self, words: list[str], out: Path) -> None:
        """Run a search until it is whole."""
        words = [word.replace("OPTIMIZER", self._optimizer) for word in words]
        command = [sys.executable, "-P", "-m", self._module, "run", *words, "--quiet"]
        while True:
            subprocess.run(
                [*command, "--out", out],
                cwd=self.folder,
                env=self._environment,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            asked = tomllib.loads((out / "search.toml").read_text(encoding="utf-8"))
            rows = pandas.read_parquet(out / "trials.parquet", columns=["trial"])
            if len(rows) == asked["trials"] * asked["replicates"]:
                return


def table(out: Path, name: str) -> pandas.DataFrame:
    """A table of a run folder, without place and time; columns by their position."""
    read = pandas.read_parquet(out / f"{name}.parquet")
    read = read.drop(columns=[c for c in PLACE_AND_TIME if c in read])
    return read.set_axis(range(read.shape[1]), axis=1)


def main() -> int:
    """Compare; return the exit code."""
    parser = argparse.ArgumentParser(description="Compare the numbers of two commits.")
    parser.add_argument("old")
    parser.add_argument("new", nargs="?", default="HEAD")
    asked = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="two-") as temp:
        commits = [
            Commit(asked.old, Path(temp, "old", "here")),
            Commit(asked.new, Path(temp, "new", "here")),
        ]
        print(f"{commits[0].id} and {commits[1].id}", flush=True)
        for name, words in SEARCHES.items():
            places = [Path(temp, f"out-{i}") for i in range(2)]
            for commit, place in zip(commits, places, strict=True):
                commit.run(words, place)
            compared = []
            for each in ("trials", "curves"):
                old, new = (table(place, each) for place in places)
                same = old.equals(new)
                wrong += not same
                compared.append(f"{len(new):,} {each} {'the same' if same else 'DIFFER'}")
            print(f"{name}: {', '.join(compared)}", flush=True)
            for place in places:
                shutil.rmtree(place)
    print("all the same" if not wrong else f"{wrong} tables differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
