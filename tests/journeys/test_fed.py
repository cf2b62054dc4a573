"""A search whose fits take minibatches: kernels, settled like all others."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy
import pytest

import shoal
from shoal.search.programs import running
from shoal.trainable.compiling import compiler

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")

LINE = """
import torch


class Line:
    space = {"lr": "1e-3:1e-1:log"}
    batch = 32
    objective = "off"

    def data(self):
        x = torch.randn(80, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        return x, x.sum(1)

    def initial(self, seed):
        generator = torch.Generator().manual_seed(seed)
        return {"w": torch.randn(3, generator=generator, dtype=torch.float64)}

    def noise(self, seed, step):
        generator = torch.Generator().manual_seed(1000 * seed + step)
        return 0.1 * torch.randn(3, generator=generator, dtype=torch.float64)

    def loss(self, params, data, noise=None):
        x, y = data
        x = x if noise is None else x + noise
        r = x @ params["w"] - y
        return (r * r).mean()

    def metrics(self, params, rows):
        x, y = rows
        return {"off": ((x @ params["w"] - y) ** 2).mean()}
"""

ASKED: dict[str, Any] = {"trials": 24, "replicates": 2, "seed": 3, "pack": 16, "round": 24}
ASKED |= {"steps": 25, "report": 5, "engine": "inline", "workers": 2, "sampler": "random"}


@pytest.fixture
def line(tmp_path: Path) -> str:
    """The problem, in a file."""
    (tmp_path / "line.py").write_text(LINE)
    return f"{tmp_path / 'line.py'}:Line"


def programs(out: Path) -> list[str]:
    """How each shape is run, as search.toml has it."""
    held = tomllib.loads((out / "search.toml").read_text())
    return [each["program"] for each in held.get("settled", {}).get("programs", [])]


def test_a_search_with_batches_is_compiled_and_has_the_numbers_of_torch(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is worth while, and where it is asked for; refit has a fit's bits."""
    tables = {}
    for program in ("compiled", "auto", "eager"):
        out = tmp_path / program
        how = {} if program == "auto" else {"program": program}
        with monkeypatch.context() as patch:
            patch.setattr(running, "FUSED_WORTH_SECONDS", 0.0)
            result = shoal.run(problem=line, out=out, **ASKED, **how)
        assert programs(out) == ([] if program == "eager" else ["kernel"])
        tables[program] = result.trials.sort_values(["trial", "replicate"])
        assert result.refit(trial=3).same
    for column in ("lr", "loss", "off"):
        one, other, plain = (tables[name][column].to_numpy() for name in tables)
        assert numpy.array_equal(one, other)
        numpy.testing.assert_allclose(one, plain, rtol=1e-9)


def test_what_no_kernel_can_do_is_done_by_torch_between_kernels(line: str, tmp_path: Path) -> None:
    """With each update's own rows."""
    file = tmp_path / "line.py"
    file.write_text(LINE.replace("return (r * r).mean()", "return (r * r).sort().values[:9].sum()"))
    tables = []
    for program in ("compiled", "eager"):
        out = tmp_path / program
        result = shoal.run(problem=line, out=out, **ASKED, program=program)
        assert programs(out) == (["pieces"] if program == "compiled" else [])
        assert result.refit(trial=3).same
        tables.append(result.trials.sort_values(["trial", "replicate"]))
    for column in ("lr", "loss", "off"):
        one, other = (table[column].to_numpy() for table in tables)
        numpy.testing.assert_allclose(one, other, rtol=1e-9)
