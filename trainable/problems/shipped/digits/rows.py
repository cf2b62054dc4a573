"""Handwritten digits: the rows that several problems share, and what they have in common.

    n   rows: 1,085 to train, 357 to validate, 355 to test
    x   shape (n, 64)   brightness of the 8 x 8 pixels, row by row, from 0 to 1
    y   shape (n,)      the digit, 0 to 9 (int64)
    z   shape (n, 10)   logits
    p   shape (n, 10)   probabilities softmax(z)
    L   shape ()        cross entropy, mean of -log p[y]

The split is fixed: of each digit, in the order of the file, every fifth row is for testing and the
one before it for validation. No method of the contract returns test rows: `Digits.test` is for what
is done after a search.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
Repository (1998), CC BY 4.0; its test set, as scikit-learn ships it, which is needed
(``pip install 'shoal[data]'``).
"""

from __future__ import annotations

from functools import cache

import torch

from shoal.trainable.problems.shipped import table

PIXELS, CLASSES = 64, 10
BRIGHTEST = 16.0

TRAIN, VALIDATION, TEST = range(3)


class Digits:
    """What problems of digits have in common: rows, inputs and metrics."""

    inputs = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))
    stratify = "y"

    def data(self) -> dict[str, torch.Tensor]:
        """Return x, shape (1085, 64), and y, shape (1085,), of the training rows."""
        return _rows(TRAIN)

    def validation(self) -> dict[str, torch.Tensor]:
        """Return x, shape (357, 64), and y, shape (357,), of the validation rows."""
        return _rows(VALIDATION)

    def test(self) -> dict[str, torch.Tensor]:
        """Return x, shape (355, 64), and y, shape (355,), of the test rows, which no search sees.

        Their inputs, as `predict` takes them, are 16 x.
        """
        return _rows(TEST)


def one_hot(y: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return 1 where a column is the row's digit, else 0: shape (n, 10)."""
    return (y[:, None] == torch.arange(CLASSES, device=y.device)).to(dtype)


def log_softmax(z: torch.Tensor) -> torch.Tensor:
    """Return log p = z - m - log Σ exp(z - m) of logits, where m is the largest of each row."""
    above = z - z.amax(dim=1, keepdim=True)
    return above - torch.exp(above).sum(dim=1, keepdim=True).log()


def cross_entropy(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return L of logits, shape ()."""
    return -(log_softmax(z) * one_hot(y, z.dtype)).sum() / y.shape[0]


def judged(z: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return L, without a penalty, and the share of rows whose digit has the largest logit."""
    right = z.argmax(dim=1) == y
    return {"validation_loss": cross_entropy(z, y), "accuracy": right.to(z.dtype).mean()}


def _rows(part: int) -> dict[str, torch.Tensor]:
    x, y = _table()
    which = _part(y) == part
    return {"x": x[which], "y": y[which]}


def _part(y: torch.Tensor) -> torch.Tensor:
    """Which part each row is of, shape of y: of each digit the fifth, tenth, ... tests."""
    rank = one_hot(y, torch.int64).cumsum(0).gather(1, y[:, None])[:, 0] % 5
    return torch.where(rank == 0, TEST, torch.where(rank == 4, VALIDATION, TRAIN))


@cache
def _table() -> tuple[torch.Tensor, torch.Tensor]:
    """The pixels, shape (1797, 64), and the digits, shape (1797,).

    Raises:
        ContractError: scikit-learn is not installed.
    """
    x, y = table("digits.csv.gz")
    return x.to(torch.float32) / BRIGHTEST, y.to(torch.int64)
