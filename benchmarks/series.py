"""The searches that are compared: shoal's own and its peers', and how each is started."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from environments import python_with

PEERS = Path(__file__).resolve().parent / "peers"
WORKERS = 2
STEPS = 2000

SPACES: Mapping[str, tuple[str, ...]] = {
    "course": ("cubic-sine", "--space", "lr=1e-8:1e-4:log"),
    "momentum": (
        f"{PEERS.parent / 'scaled.py'}:ScaledCubic",
        "--space",
        "lr=1e-8:1e-4:log",
        "--space",
        "momentum=0:0.99",
        "--space",
        "scale=0.1:10:log",
        "--space",
        "optimizer=momentum",
    ),
}
"""The peers' spaces (peers/course.py) in shoal's words."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A peer at its best known settings.

    Attributes:
        script: in peers/; form: of the course's arithmetic, see peers/course.py.
        package: what its own environment holds; None: it runs in shoal's.
        settings: in words, for the table.
    """

    label: str
    script: str
    form: str
    settings: str
    package: str | None = None
    more: tuple[str, ...] = ()

    def command(self, trials: int, steps: int, space: str, seed: int) -> list[str]:
        """What to run.

        Raises:
            NotInstalled: its package cannot be had.
        """
        python = sys.executable if self.package is None else python_with(self.package)
        numbers = {"--trials": trials, "--steps": steps, "--seed": seed, "--workers": WORKERS}
        words = [word for name, value in numbers.items() for word in (name, str(value))]
        form = ["--form", self.form, "--space", space]
        return [python, str(PEERS / f"{self.script}.py"), *words, *form, *self.more]


_OPTUNA = "JournalStorage on a file, TPE, two processes forked once torch is loaded, logs off"
_RAY = (
    "class trainable, reuse_actors, max_concurrent_trials, loggers, checkpoints and snapshots off, "
    "OptunaSearch (TPE)"
)
_DEEP = "process evaluator, forked once torch is loaded; "

BY_KEY: Mapping[str, Peer] = {
    "ray": Peer(
        label="Ray Tune as it comes",
        script="ray_plain",
        form="text",
        settings="function trainable, random search, a process for each trial",
    ),
    "ray+optuna": Peer(
        label="Ray Tune + OptunaSearch", script="ray_optuna", form="text", settings=_RAY
    ),
    "ray+optuna, tuned fit": Peer(
        label="Ray Tune + OptunaSearch, tuned fit",
        script="ray_optuna",
        form="matrix",
        settings=_RAY,
    ),
    "optuna": Peer(
        label="Optuna, two processes", script="optuna_journal", form="text", settings=_OPTUNA
    ),
    "optuna, tuned fit": Peer(
        label="Optuna, two processes, tuned fit",
        script="optuna_journal",
        form="matrix",
        settings=_OPTUNA,
    ),
    "syne": Peer(
        label="Syne Tune",
        script="syne",
        form="matrix",
        package="syne-tune",
        settings="PythonBackend, random search, sleep_time 10 ms, nothing stored or printed; it "
        "starts a process for each trial",
    ),
    "deephyper": Peer(
        label="DeepHyper",
        script="deep",
        form="text",
        package="deephyper",
        settings=_DEEP + "CBO of 10 trees, 1,000 points of its acquisition function",
    ),
    "deephyper, tuned fit": Peer(
        label="DeepHyper, tuned fit",
        script="deep",
        form="matrix",
        package="deephyper",
        settings=_DEEP + "CBO of 10 trees, 1,000 points of its acquisition function",
    ),
    "deephyper random, tuned fit": Peer(
        label="DeepHyper, random search, tuned fit",
        script="deep",
        form="matrix",
        package="deephyper",
        more=("--sampler", "random"),
        settings=_DEEP + "random search",
    ),
}
"""Peers whose fit is the course's own text, as a user of shoal writes it; and, where that is most
of their time, the same with the fit rewritten by hand for eager torch ("tuned fit")."""


def shoal(trials: int, steps: int, space: str, seed: int, folder: Path) -> list[str]:
    """Shoal's own search, with its defaults but for what is asked."""
    return [
        sys.executable,
        "-m",
        "shoal",
        "run",
        *SPACES[space],
        "--trials",
        str(trials),
        "--steps",
        str(steps),
        "--seed",
        str(seed),
        "--out",
        str(folder),
        "--json",
    ]
