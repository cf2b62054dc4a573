"""scikit-learn's MLPClassifier under RandomizedSearchCV with two jobs, on a net.

One split, rows to train and rows to validate, and no refit. Batches and initial parameters cannot
be given: it draws its own. It decays weights and not biases, by alpha over the rows of a batch. One
thread of BLAS in each job, as benchmarks/nets.py sets it.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy
from digits import BATCH, SPACE, WIDTHS, Given, Values, arguments, read, tell, told
from scipy.stats import loguniform, uniform
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import PredefinedSplit, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier


def net(epochs: int) -> MLPClassifier:
    """The net; nothing ends it before its last epoch."""
    return MLPClassifier(
        activation="tanh",
        solver="sgd",
        nesterovs_momentum=False,
        batch_size=BATCH,
        max_iter=epochs,
        n_iter_no_change=epochs,
        tol=0.0,
        random_state=0,
    )


def accuracies(given: Given, points: Sequence[Values]) -> list[float]:
    """Fit at these points."""
    found = []
    for point in points:
        model = net(len(given["orders"])).set_params(
            hidden_layer_sizes=(point["width"],),
            learning_rate_init=point["lr"],
            momentum=point["momentum"],
            alpha=BATCH * point["weight_decay"],
        )
        found.append(float(model.fit(given["x"], given["y"]).score(given["u"], given["v"])))
    return found


def main() -> None:
    """Run the search."""
    asked = arguments(__doc__)
    os.environ["PYTHONWARNINGS"] = "ignore"  # of the jobs
    warnings.simplefilter("ignore", ConvergenceWarning)  # it ends after its epochs, as meant
    given = read(asked.given)
    if told(asked, lambda points: accuracies(given, points)):
        return
    x, y = numpy.concatenate([given["x"], given["u"]]), numpy.concatenate([given["y"], given["v"]])
    split = PredefinedSplit(numpy.repeat([-1, 0], [len(given["x"]), len(given["u"])]))
    lr, momentum, decay = (SPACE[name] for name in ("lr", "momentum", "weight_decay"))
    space: dict[str, Any] = {
        "hidden_layer_sizes": [(width,) for width in WIDTHS],
        "learning_rate_init": loguniform(*lr[:2]),
        "momentum": uniform(momentum[0], momentum[1] - momentum[0]),
        "alpha": loguniform(BATCH * decay[0], BATCH * decay[1]),
    }
    search = RandomizedSearchCV(
        net(len(given["orders"])),
        space,
        n_iter=asked.trials,
        cv=split,
        refit=False,
        n_jobs=asked.workers,
        random_state=asked.seed,
    ).fit(x, y)
    found = search.cv_results_["mean_test_score"]
    tell(len(found), float(numpy.nanmax(found)))


if __name__ == "__main__":
    main()
