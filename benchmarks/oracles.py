"""The nets of digits against scikit-learn's: the test accuracy of the hyperparameters each finds.

python benchmarks/oracles.py                           # all nets: docs/problems.md
python benchmarks/oracles.py mlp --trials 8 --epochs 5

Each search takes as many fits of as many epochs, from the same space, and is judged by the accuracy
of the same validation rows: `shoal.run`, and MLPClassifier under Optuna's TPE. The best
hyperparameters of each are then fitted with five other seeds, and only then are test rows looked
at. A net passes if its mean test accuracy is no worse than scikit-learn's by more than a point.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

import shoal
from shoal.trainable.problems.shipped.digits.mlp import Mlp

SEEDS = range(1, 6)
"""Of the fits that are tested; the searches have seed 0."""

POINT = 0.01
"""How much worse a net may be."""

WIDTHS = [8, 16, 32]

SPACES: Mapping[str, Mapping[str, Any]] = {
    "mlp": {"width": WIDTHS},
    "mlp-module": {"width": WIDTHS},
    "convnet": {"channels": [4, 8]},
}
"""What is searched besides the lr and l2 of each problem's default space."""

Accuracies = list[float]


def of_shoal(
    name: str, trials: int, epochs: int, folder: Path
) -> tuple[dict[str, Any], Accuracies]:
    """The best hyperparameters, and test accuracies of fits with each of the seeds."""
    found = shoal.run(
        name, space=SPACES[name], trials=trials, epochs=epochs, seed=0, out=folder / "search"
    )
    best = {key: found.best[key].item() for key in ("lr", "l2", *SPACES[name])}
    best["accuracy"] = found.best["accuracy"].item()
    space = {key: value for key, value in best.items() if key != "accuracy"}
    tested = shoal.run(
        name,
        space=space,
        trials=1,
        epochs=epochs,
        replicates=len(SEEDS),
        seed=SEEDS[0],
        keep="all",
        out=folder / "tested",
    )
    test = Mlp().test()
    told = [torch.from_numpy(tested.predict(0, 16 * test["x"], r)) for r in range(len(SEEDS))]
    return best, [(one == test["y"]).double().mean().item() for one in told]


def of_scikit_learn(trials: int, epochs: int) -> tuple[dict[str, Any], Accuracies]:
    """The same of MLPClassifier, whose alpha is l2 times the rows of a batch."""
    problem = Mlp()
    data, validation, test = (
        (rows["x"].numpy(), rows["y"].numpy())
        for rows in (problem.data(), problem.validation(), problem.test())
    )

    def fitted(values: Mapping[str, Any], seed: int) -> MLPClassifier:
        model = MLPClassifier(
            hidden_layer_sizes=(values["width"],),
            activation="tanh",
            solver="adam",
            alpha=values["l2"] * problem.batch,
            batch_size=problem.batch,
            learning_rate_init=values["lr"],
            max_iter=epochs,
            n_iter_no_change=epochs,
            tol=0.0,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it ends after `epochs`, as meant
            return model.fit(*data)

    def accuracy(trial: optuna.Trial) -> float:
        ends = {name: Mlp.space[name].split(":")[:2] for name in ("lr", "l2")}
        values = {
            name: trial.suggest_float(name, float(low), float(high), log=True)
            for name, (low, high) in ends.items()
        }
        values["width"] = trial.suggest_categorical("width", WIDTHS)
        return float(fitted(values, 0).score(*validation))

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(accuracy, n_trials=trials)
    best = {**study.best_params, "accuracy": study.best_value}
    return best, [float(fitted(best, seed).score(*test)) for seed in SEEDS]


def row(name: str, best: Mapping[str, Any], tested: Accuracies, seconds: float) -> str:
    """A row of the table."""
    size = best.get("width", best.get("channels"))
    return (
        f"| {name} | lr {best['lr']:.2g}, l2 {best['l2']:.2g}, {size} | {best['accuracy']:.4f} "
        f"| {statistics.mean(tested):.4f} | {min(tested):.4f} to {max(tested):.4f} "
        f"| {seconds:.0f} s |"
    )


def main(typed: Sequence[str] | None = None) -> int:
    """Print the table; return how many nets are worse by more than a point."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("nets", nargs="*", choices=[[], *SPACES], metavar="NET")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=20)
    given = parser.parse_args(typed)
    print("| net | best hyperparameters | validation | mean of five tests | least to most | time |")
    print("|---|---|---|---|---|---|", flush=True)
    began = time.perf_counter()
    best, theirs = of_scikit_learn(given.trials, given.epochs)
    print(row("MLPClassifier", best, theirs, time.perf_counter() - began), flush=True)
    worse = []
    for name in given.nets or SPACES:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            best, ours = of_shoal(name, given.trials, given.epochs, Path(folder))
        print(row(f"`{name}`", best, ours, time.perf_counter() - began), flush=True)
        if statistics.mean(ours) < statistics.mean(theirs) - POINT:
            worse.append(name)
    print(f"worse by more than a point: {', '.join(worse) or 'none'}")
    return len(worse)


if __name__ == "__main__":
    sys.exit(main())
