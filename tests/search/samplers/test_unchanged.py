"""A space in which nothing is conditional is searched as before there were conditions, bit for bit.

golden/columns.json has the sha256 of each column that commit 6de7468 draws, of each sampler and
space: a search that it began goes on with the same trials. Those of ``tpe`` are of the first
version that tries the very ends of ranges. Those of ``optuna-tpe`` are of numpy without the vector
instructions that only some processors have: with them, Optuna draws others.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy
import pytest

from shoal.search.samplers.rounds import RoundSampler
from shoal.search.samplers.sampler import SAMPLERS, Earlier
from shoal.search.space.space import Space, parse

GOLDEN = json.loads((Path(__file__).parent / "golden" / "columns.json").read_text())

SPACES = {
    "every kind": {
        "lr": "1e-7:1e-1:log",
        "momentum": "0:0.99",
        "width": "4:256:int:log",
        "degree": "1:5:int",
        "optimizer": "sgd,momentum,adam",
        "decay": "0.5",
    },
    "floats": {"lr": "1e-7:1e-1:log", "momentum": "0:0.99", "beta": "0.5:0.999"},
    "few values": {"width": "1:20:int", "optimizer": "sgd,momentum,adam"},
    "many values": {"width": "1:90:int:log", "optimizer": "sgd,adam", "degree": "1:40:int"},
    "choices": {"batch": "16,32,64", "optimizer": "sgd,momentum", "bias": "True,False"},
}
ROUNDS, SIZE = 6, 16
OPTUNA = "optuna-tpe"


def drawn(name: str, texts: dict[str, str]) -> dict[str, str]:
    """A digest of each column of a search, whose losses are of the first hyperparameter and of the
    optimizer; some fits diverge and one fails."""
    sampler = RoundSampler(name, 7, Space(parse(*item) for item in texts.items()))
    columns = sampler.empty(0)
    for k in range(ROUNDS):
        told, first = max(0, k - 1) * SIZE, next(iter(texts))
        values = sampler.values(columns, k * SIZE)
        number = numpy.log(values[first][:told].astype(float))
        loss = (number - number.mean() if told else number) ** 2
        if "optimizer" in values:
            loss = loss + 0.3 * (values["optimizer"][:told] == "sgd")
        loss[5::11], loss[3:4] = numpy.inf, numpy.nan
        known = Earlier(columns=columns, scores=loss)
        asked = sampler.ask(k, k * SIZE, SIZE, known, threading.Event())
        columns = {n: numpy.concatenate([columns[n], asked[n]]) for n in columns}
    return {n: hashlib.sha256(c.tobytes()).hexdigest()[:16] for n, c in columns.items()}


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != OPTUNA])
@pytest.mark.parametrize("which", SPACES)
def test_columns_are_those_of_before(name: str, which: str) -> None:
    """Six rounds of 16, each of which knows what came of those before the last."""
    assert drawn(name, SPACES[which]) == GOLDEN[which][name]


def test_columns_of_optuna_are_those_of_before() -> None:
    """The same, in a process whose numpy knows the instructions alone that every processor has."""
    process = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"},
        stdout=subprocess.PIPE,
        check=True,
    )
    assert json.loads(process.stdout) == {which: GOLDEN[which][OPTUNA] for which in SPACES}


if __name__ == "__main__":
    print(json.dumps({which: drawn(OPTUNA, texts) for which, texts in SPACES.items()}))
