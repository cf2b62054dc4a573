"""How each shape of a search is run, where they differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from shoal.search.api import run
from shoal.search.preparation import prepare
from shoal.search.request import Asked
from shoal.trainable.compiling import compiler
from shoal.trainable.programs import EAGER, KERNEL, PIECES, SEQUENTIAL, Settled, key

NET = """
import torch
from torch import nn

class Net:
    space = {"lr": "1e-3:1e-1:log", "width": "4, 700"}

    def __init__(self, width=4):
        self.width = width

    def data(self):
        generator = torch.Generator().manual_seed(0)
        return {"x": torch.randn(40, 60, generator=generator), "y": torch.arange(40) % 3}

    def module(self):
        return nn.Sequential(nn.Linear(60, self.width), nn.Tanh(), nn.Linear(self.width, 3))

    def loss(self, module, data):
        return nn.functional.cross_entropy(module(data["x"]), data["y"])
"""


SORTS = """
import torch

class Sorts:
    space = {"lr": "1e-3:1e-1:log"}

    def data(self):
        x = torch.linspace(-1, 1, 200)
        return x, x.sin().sort().values

    def initial(self, seed):
        return {"w": torch.ones(3) / 3}

    def loss(self, params, data):
        x, y = data
        a, b, c = params["w"]
        made = (a * x + b * x.cos() + (c * x).exp().tanh()).sin() * (a * b * x).cos()
        return ((made.sort().values - y) ** 2).mean()
"""


def problem(folder: Path) -> str:
    file = folder / "nets.py"
    file.write_text(NET)
    return f"{file}:Net"


@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
def test_small_shapes_are_kernels_and_large_ones_run_one_after_the_other(tmp_path: Path) -> None:
    """Each by what it costs, in its own blocks; one line says why."""
    prepared = prepare(Asked(problem=problem(tmp_path), trials=2048, steps=400), None)
    request = prepared.request
    small, large = ({"optimizer": "sgd", "width": width} for width in (4, 700))
    assert request.program == "compiled"
    assert request.settled.of(small) == KERNEL
    assert request.settled.of(large) == SEQUENTIAL
    last = len(request.layout) - 1
    assert request.block_of(last, small) == 64
    assert request.block_of(last, large) == 1
    (note,) = [note for note in prepared.notes if "width=700" in note]
    assert "so large that BLAS is faster" in note
    assert note.endswith("fits this large run one after the other, by torch")
    assert Settled.from_dict(request.settled.as_dict()) == request.settled


@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
def test_what_torch_does_best_is_called_between_kernels(tmp_path: Path) -> None:
    """Where that pays, by itself: nothing has to be asked for."""
    file = tmp_path / "sorts.py"
    file.write_text(SORTS)
    prepared = prepare(Asked(problem=f"{file}:Sorts", trials=2048, steps=400), None)
    request = prepared.request
    assert (request.program, {*request.settled.programs.values()}) == ("compiled", {PIECES})
    (note,) = prepared.notes
    assert note.endswith("torch does that between kernels")


def test_a_search_of_large_fits_compiles_nothing(tmp_path: Path) -> None:
    """Whether it is asked to be eager or not; its fits are those of one fit at a time."""
    given = {"problem": problem(tmp_path), "space": {"width": "700"}, "trials": 4, "steps": 6}
    results = []
    for program in ("auto", "eager"):
        out = tmp_path / program
        results.append(run(**given, program=program, out=out, engine="inline"))  # type: ignore[arg-type]  # plain values
        assert 'usual = "sequential"' in (out / "search.toml").read_text()
    long = Asked(**{**given, "steps": 10**6, "trials": 64})  # type: ignore[arg-type]  # plain values
    request = prepare(long, None).request
    assert (request.pack, request.layout[0].pack) == (1, 1)
    assert prepare(replace(long, pack=3), None).request.pack == 3
    one, other = (result.trials["loss"].to_numpy() for result in results)
    assert (one == other).all()
    assert torch.tensor(one).isfinite().all()


def test_a_block_is_that_of_its_shape() -> None:
    """And of the search, where that is smaller."""
    a, b, c = ({"width": width} for width in (1, 2, 3))
    settled = Settled(
        programs={key(a): EAGER, key(b): SEQUENTIAL, key(c): KERNEL}, blocks={key(a): 8}
    )
    assert [settled.block(shape, 64) for shape in (a, b, c)] == [8, 1, 64]
    assert [settled.block(shape, 4) for shape in (a, b, c)] == [4, 1, 4]
    assert Settled.from_dict(settled.as_dict()) == settled
    assert Settled(usual=SEQUENTIAL).block(a, 64) == 1
    with pytest.raises(ValueError, match="a block is a number of fits"):
        Settled.from_dict(
            {"compiler": "", "flags": "", "programs": [{"shape": a, "program": EAGER, "block": 0}]}
        )
