"""Tables that scikit-learn ships, read from its files: importing it takes each worker two seconds.

Where a version of scikit-learn has its files elsewhere, its own functions read them.
"""

from __future__ import annotations

import csv
import gzip
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch

from shoal.trainable.errors import ContractError

READERS = {"digits.csv.gz": "load_digits", "breast_cancer.csv": "load_breast_cancer"}
"""The files, each with the function of ``sklearn.datasets`` that reads it."""

HEADED = ("breast_cancer.csv",)
"""Files whose first line has no numbers of rows."""


def table(file: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Read a table of scikit-learn.

    Args:
        file: one of `READERS`.

    Returns:
        The features, shape (rows, features), and the last column, shape (rows,), in float64.

    Raises:
        ContractError: scikit-learn is not installed.
    """
    place = find_spec("sklearn")
    if place is None or not place.submodule_search_locations:
        raise ContractError(
            f"the data ({file}) are taken from scikit-learn, which is not installed: "
            "pip install 'shoal[data]'"
        )
    path = Path(place.submodule_search_locations[0], "datasets", "data", file)
    if not path.is_file():
        x, y = getattr(import_module("sklearn.datasets"), READERS[file])(return_X_y=True)
        return torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        listed = list(csv.reader(lines))[file in HEADED :]
    rows = torch.tensor([[float(number) for number in row] for row in listed], dtype=torch.float64)
    return rows[:, :-1].contiguous(), rows[:, -1].contiguous()
