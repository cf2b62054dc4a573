"""Searches of a net on digits, whole processes, start-up included: shoal and its peers.

    python benchmarks/nets.py --trials 64 --trials 1024       # turn about, three times each
    python benchmarks/nets.py --check                         # the same fits by each: no search

Hyperparameters: width 8, 16 or 32, lr, momentum and weight decay; 128 rows an update, 20 epochs;
the accuracy of validation rows is searched for. Peers have the same net, updates and batches, but
for scikit-learn, whose own batches cannot be given (peers/digits_*.py say how each is set).

Writes results/nets.json, or where --out says; `--check` writes nothing and prints the accuracy of
each at a few points of the space. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments import NotInstalled, python_with
from machine import instructions, machine, version_in
from measure import Measured, timed

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "nets.json"
PROBLEM = f"{HERE / 'net.py'}:Net"
WORKERS, EPOCHS, SEED = 2, 20, 0
PATIENCE_SECONDS = 1800.0
TURNS = 3
POINTS = 8
"""Of the space, that `--check` compares."""

SHOAL = "shoal"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A peer at its best known settings.

    Attributes:
        script: in peers/.
        settings: in words.
        package: what its own environment holds; None: it runs in shoal's.
    """

    label: str
    script: str
    settings: str
    package: str | None = None

    @property
    def python(self) -> str:
        """Its Python.

        Raises:
            NotInstalled: its package cannot be had.
        """
        return sys.executable if self.package is None else python_with(self.package)


PEERS: Mapping[str, Peer] = {
    "optuna": Peer(
        label="Optuna, two processes",
        script="digits_optuna",
        settings="JournalStorage on a file, TPE, forked once torch is loaded, logs off; the step "
        "by hand, one thread each",
    ),
    "ray": Peer(
        label="Ray Tune + OptunaSearch",
        script="digits_ray",
        settings="class trainable, reuse_actors, max_concurrent_trials, loggers, checkpoints and "
        "snapshots off, TPE; the step by hand, one thread each",
    ),
    "scikit-learn": Peer(
        label="scikit-learn, two jobs",
        script="digits_sklearn",
        settings="MLPClassifier under RandomizedSearchCV, one split, no refit, one thread each",
    ),
    "jax": Peer(
        label="JAX, random search",
        script="digits_jax",
        settings="vmap of 64 fits under jit, all updates in one scan, programs kept on disk",
        package="jax",
    ),
}


def given_to_peers(file: Path) -> None:
    """Write the rows, the batches and the initial parameters of shoal's fits of seed 0."""
    import numpy
    from net import BATCH, Net

    from shoal.trainable.feeding.batches import Batches

    data, validation = Net().data(), Net().validation()
    batches = Batches(rows=len(data["x"]), size=BATCH)
    orders = [
        numpy.concatenate(
            [batches.at(SEED, epoch * batches.of_an_epoch + i) for i in range(batches.of_an_epoch)]
        )
        for epoch in range(EPOCHS)
    ]
    arrays = {
        "x": data["x"].numpy(),
        "y": data["y"].numpy(),
        "u": validation["x"].numpy(),
        "v": validation["y"].numpy(),
        "orders": numpy.stack(orders),
    }
    for width in Net.space["width"]:
        for name, tensor in Net(int(width)).initial(SEED).items():
            arrays[f"{width}/{name}"] = tensor.numpy()
    numpy.savez(file, **arrays)


class Nets:
    """Runs searches in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._given = folder, folder / "given.npz"
        for name in ("cache", "jax"):
            (folder / name).mkdir(mode=0o700)
        given_to_peers(self._given)

    def search(self, key: str, trials: int, seed: int) -> Measured:
        """Measure a whole process of shoal, or of a peer."""
        if key == SHOAL:
            return self._timed(self._shoal(trials, seed))
        try:
            python = PEERS[key].python
        except NotInstalled as error:
            return {"seconds": 0.0, "error": f"it does not install: {error}"}
        numbers = ["--trials", str(trials), "--seed", str(seed), "--workers", str(WORKERS)]
        return self._timed([python, self._script(key), "--given", str(self._given), *numbers])

    def accuracies(self, key: str, points: Sequence[Mapping[str, Any]]) -> list[float]:
        """The accuracies of fits at these points.

        Raises:
            RuntimeError: it did not work; NotInstalled: it cannot be had.
        """
        if key == SHOAL:
            import shoal

            fits = [shoal.fit(PROBLEM, epochs=EPOCHS, seed=SEED, **point) for point in points]
            return [fit.metrics["accuracy"] for fit in fits]
        file = self._folder / "points.json"
        file.write_text(json.dumps(list(points)), encoding="utf-8")
        words = ["--given", str(self._given), "--points", str(file)]
        measured = self._timed([PEERS[key].python, self._script(key), *words])
        if "error" in measured:
            raise RuntimeError(f"{key}: {measured['error']}")
        found: list[float] = measured["told"]["accuracies"]
        return found

    def _shoal(self, trials: int, seed: int) -> list[str]:
        """Shoal's own search, with its defaults but for what is asked."""
        numbers = {"--trials": trials, "--epochs": EPOCHS, "--seed": seed, "--workers": WORKERS}
        words = [word for name, value in numbers.items() for word in (name, str(value))]
        out = str(Path(tempfile.mkdtemp(dir=self._folder)) / "run")
        return [sys.executable, "-m", "shoal", "run", PROBLEM, *words, "--out", out, "--json"]

    def _script(self, key: str) -> str:
        return str(HERE / "peers" / f"{PEERS[key].script}.py")

    def _timed(self, command: list[str]) -> Measured:
        environment = {
            "SHOAL_CACHE": str(self._folder / "cache"),
            "JAX_COMPILATION_CACHE_DIR": str(self._folder / "jax"),
            "OMP_NUM_THREADS": "1",  # of BLAS; JAX has threads of its own
            "OPENBLAS_NUM_THREADS": "1",
        }
        return timed(command, self._folder, patience=PATIENCE_SECONDS, environment=environment)


def best(measured: Measured) -> float | None:
    """The best accuracy of a search; None: it did not work."""
    if "error" in measured:
        return None
    found = measured["told"]["best"]
    return float(found["accuracy"] if isinstance(found, dict) else found)


def check(nets: Nets, keys: Sequence[str]) -> int:
    """Print what each makes of the same points; return whether one of them failed."""
    sys.path.append(str(HERE / "peers"))
    from digits import drawn

    points = drawn(POINTS, SEED)
    failed = 0
    for key in keys:
        try:
            found = nets.accuracies(key, points)
        except (RuntimeError, NotInstalled) as error:
            print(f"{key:14} failed: {error}", flush=True)
            failed = 1
        else:
            print(f"{key:14} {'  '.join(f'{value:.4f}' for value in found)}", flush=True)
    return failed


def main() -> int:
    """Measure, print and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, action="append", help="of a search  [64]")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--only", action="append", choices=[SHOAL, *PEERS])
    parser.add_argument("--check", action="store_true", help="compare a few fits; no search")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    keys = given.only or [SHOAL, *PEERS]
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir="/tmp") as folder:
        nets = Nets(Path(folder))
        if given.check:
            return check(nets, keys)
        return measure(nets, keys, given.trials or [64], given.turns, given.out)


def measure(nets: Nets, keys: Sequence[str], sizes: Sequence[int], turns: int, out: Path) -> int:
    """Measure searches turn about and write them; return whether one failed."""
    began = time.monotonic()
    record: dict[str, Any] = {
        "machine": {**machine(), "instructions": instructions()},
        "settings": {"workers": WORKERS, "epochs": EPOCHS, "sizes": list(sizes), "turns": turns},
        "peers": {key: peer.settings for key, peer in PEERS.items()},
        "peer_versions": {},
        "runs": [],
    }
    for key, peer in PEERS.items():
        if key in keys and peer.package is not None:
            try:
                version = version_in(peer.python, peer.package)
                record["peer_versions"][peer.package] = version
            except NotInstalled as error:
                print(f"{peer.package} does not install: {error}", file=sys.stderr)
    for key in keys:
        nets.search(key, min(sizes), 0)  # compiles, where it compiles
    for turn in range(turns):
        for trials in sizes:
            for key in keys:
                measured = nets.search(key, trials, turn)
                found = best(measured)
                told = measured.get("error") or f"best accuracy {found:.4f}"
                print(
                    f"[{time.monotonic() - began:5.0f} s] {key}, {trials:,} trials: "
                    f"{measured['seconds']:.1f} s, {told}",
                    file=sys.stderr,
                    flush=True,
                )
                run = {"key": key, "trials": trials, "seed": turn, "best": found}
                record["runs"].append({**run, **measured})
    record["seconds"] = round(time.monotonic() - began, 1)
    out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, indent=1, ensure_ascii=False)
    out.write_text(text + "\n", encoding="utf-8")
    print(out)
    return int(any("error" in run for run in record["runs"]))


if __name__ == "__main__":
    sys.exit(main())
