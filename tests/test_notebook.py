"""Notebooks, in a kernel of IPython as a user has it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import shoal

nbclient = pytest.importorskip("nbclient", reason="the extra dev has it")
nbformat = pytest.importorskip("nbformat", reason="the extra dev has it")
pytest.importorskip("ipykernel", reason="the extra dev has it")

NOTEBOOK = Path(__file__).parent.parent / "examples" / "notebook.ipynb"

NUMBER = re.compile(r"-?\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+")
"""One with a point or an exponent: the others depend on the last digits of these."""

# Of Jupyter's own, which a test that treats warnings as errors would fail of.
pytestmark = pytest.mark.filterwarnings("ignore")


def executed(book: Any, folder: Path, errors: bool = False) -> list[str]:
    """Execute a notebook in a folder; return what each cell of code has shown, as text."""
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(book, timeout=600, resources=resources, allow_errors=errors).execute()
    return shown(book)


def shown(book: Any) -> list[str]:
    """What the cells of code have shown."""
    found = []
    for cell in book.cells:
        if cell.cell_type == "code":
            texts = []
            for output in cell.outputs:
                if output.output_type == "error":
                    texts.append(f"{output.ename}: {output.evalue}")
                elif output.output_type == "stream":
                    texts.append(output.text)
                else:
                    texts.append(output.data.get("text/plain", ""))  # a figure has none
            found.append("".join(texts))
    return found


def test_the_example_shows_what_it_shows(tmp_path: Path) -> None:
    """Its outputs are those of a run: the words are the same, and the numbers nearly, which may
    depend on the kind of processor."""
    book = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(book)
    there = shown(book)
    assert all(cell.outputs for cell in book.cells if cell.source.startswith("result."))
    again = executed(nbformat.read(NOTEBOOK, as_version=4), tmp_path)
    for one, other in zip(there, again, strict=True):
        words = [re.sub(r"\d+|\s+", "", NUMBER.sub("", text)) for text in (one, other)]
        assert words[0] == words[1]
        numbers = [[float(number) for number in NUMBER.findall(text)] for text in (one, other)]
        assert numbers[0] == pytest.approx(numbers[1], rel=0.05)
    assert str(tmp_path) not in "".join(again)


PROGRESS = """
class Line:
    space = {"lr": "1e-6:1e-3:log"}

    def data(self):
        return torch.linspace(0, 1, 10)

    def initial(self, seed):
        return (torch.ones(()),)

    def loss_and_gradient(self, params, data):
        r = params[0] * data - 1
        return (r * r).sum(), ((2 * r * data).sum(),)


result = shoal.run(Line, trials=64, steps=20, engine="inline", out="run", progress=True)
result
"""


def test_progress_is_a_bar_that_grows_in_its_place(tmp_path: Path) -> None:
    """One output, of which the last state stays; the result below it is a table."""
    cells = [nbformat.v4.new_code_cell(text) for text in ("import torch, shoal", PROGRESS)]
    book = nbformat.v4.new_notebook(cells=cells)
    executed(book, tmp_path)
    told = [each for each in book.cells[1].outputs if each.output_type != "stream"]
    bar, table = (each.data["text/html"] for each in told)
    assert bar.startswith("<progress value='64' max='64'></progress> 64/64 trials, best loss ")
    assert table.startswith("<table><tr><th style='text-align:left'>best loss</th>")


CELLS = {
    "import": "import math, torch, shoal\nfrom math import *",
    "data": "x = torch.linspace(-pi, pi, 200)\ny = x.sin()",
    "base": "%%time\nclass Base:\n    def data(self):\n        return x, y",
    "class": """
!true
%precision 4
class Line(Base):
    space = {"lr": "1e-6:1e-3:log"}

    def initial(self, seed):
        return {"a": torch.full((), 0.1 * seed + floor(0.5))}

    def loss_and_gradient(self, params, data):
        x, y = data
        r = params["a"] * x - y
        return (r * r).sum(), {"a": (2 * r * x).sum()}
""",
    "run": "asked = dict(trials=32, steps=20, sampler='random')\n"
    "print(len(shoal.run(Line, out='here', engine='inline', **asked).trials))",
    "ray": "print(len(shoal.run(Line, out='ray', engine='ray', workers=2, **asked).trials))",
    "magic": "class Magic(Line):\n    def data(self):\n        %time\n        return x, y",
    "refused": "shoal.run(Magic)",
    "if": "class If(Line):\n    def loss_and_gradient(self, params, data):\n"
    "        if params['a'] > 0: pass\n        return params['a'], params",
    "told": "shoal.run(If)",
}

FILE = f"""
{CELLS["import"]}
{CELLS["data"]}
class Base:
    def data(self):
        return x, y

{CELLS["class"].replace("!true", "").replace("%precision 4", "")}
"""


@pytest.mark.long
def test_cells_of_ipython_are_searched_by_threads_and_by_ray(
    tmp_path: Path, same_folder: Any
) -> None:
    """With magics beside the class and above it, the table is that of a file; what is wrong is
    told by the number of its cell."""
    cells = [nbformat.v4.new_code_cell(text) for text in CELLS.values()]
    texts = executed(nbformat.v4.new_notebook(cells=cells), tmp_path, errors=True)
    said = dict(zip(CELLS, texts, strict=True))
    assert said["run"] == "32\n"
    assert said["ray"].endswith("32\n")
    told = "BadInput: In[7]:3: Magic has a line with % or ! in it; take that line out"
    assert said["refused"] == told
    assert said["told"].startswith("BadInput: In[9]:3: `if` or `while` on a tensor")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "ray"]
    (tmp_path / "line.py").write_text(FILE)
    asked: dict[str, Any] = {"trials": 32, "steps": 20, "sampler": "random"}
    shoal.run(f"{tmp_path}/line.py:Line", out=tmp_path / "file", engine="inline", **asked)
    same_folder(tmp_path / "file", tmp_path / "here")
    same_folder(tmp_path / "file", tmp_path / "ray")


@pytest.mark.long
def test_the_plots_are_figures(tmp_path: Path) -> None:
    """Each cell of examples/plots.ipynb that asks for one shows one, and none warns."""
    book = nbformat.read(NOTEBOOK.with_name("plots.ipynb"), as_version=4)
    nbformat.validate(book)
    executed(book, tmp_path)
    asked = [cell for cell in book.cells if cell.source.startswith("result.plot.")]
    assert len(asked) == 6
    for cell in asked:
        drawn = [each for each in cell.outputs if each.output_type != "stream"]
        assert not [each for each in cell.outputs if each.output_type == "stream"], cell.source
        (figure,) = (
            each.data["application/vnd.plotly.v1+json"]
            for each in drawn
            if "application/vnd.plotly.v1+json" in each.get("data", {})
        )
        assert len(figure["data"]) >= 1, cell.source
        assert figure["layout"]["height"] > 100
