"""Problems that stand in memory: a class of a notebook's cell, and an instance with its data."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest
import torch

import shoal

Shell = Callable[..., "subprocess.CompletedProcess[str]"]
SameTable = Callable[[Path, Path], None]

HEAD = """
import math

import torch

x = torch.linspace(-math.pi, math.pi, 2000)
y = torch.sin(x)
"""

HELPER = """
POWERS = ("a", "b", "c", "d")


def residual(params, x, y):
    return sum(params[name] * x**n for n, name in enumerate(POWERS)) - y
"""

CLASS = """
class Cubic:
    space = {"lr": "1e-8:1e-4:log", "l2": "1e-3:1:log"}
    inputs = ("x",)

    def data(self):
        return x, y

    def initial(self, seed):
        generator = torch.Generator().manual_seed(seed)
        return {name: torch.randn((), generator=generator) for name in POWERS}

    def loss_and_gradient(self, params, data, l2=0.0):
        x, y = data
        r = residual(params, x, y)
        loss = (r * r).sum() + l2 * sum(p * p for p in params.values())
        return loss, {
            name: 2 * (r * x**n).sum() + 2 * l2 * params[name] for n, name in enumerate(POWERS)
        }

    def metrics(self, params, data):
        return {"worst": residual(params, *data).abs().max()}

    def predict(self, params, x):
        return residual(params, x[:, 0], 0.0)
"""

ASKED: dict[str, Any] = {"trials": 96, "steps": 60, "seed": 3, "keep": 2, "round": 32}
INLINE: dict[str, Any] = {**ASKED, "engine": "inline", "workers": 2}


@pytest.fixture
def notebook(cell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A notebook with the class in three cells, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    for text in (HEAD, HELPER, CLASS):
        cell(text)
    return cell


def test_a_class_of_cells_makes_the_table_of_the_same_class_in_a_file(
    notebook: Any, tmp_path: Path, same_folder: SameTable
) -> None:
    """Trials, curves and parameters, bit for bit."""
    (tmp_path / "cubic.py").write_text(HEAD + HELPER + CLASS)
    shoal.run("cubic.py:Cubic", out="file", **INLINE)
    result = shoal.run(notebook.names["Cubic"], out="cells", **INLINE)
    assert len(result.trials) == 96
    same_folder(tmp_path / "file", tmp_path / "cells")
    files = sorted(file.name for file in (tmp_path / "cells" / "problem").iterdir())
    assert files == ["Cubic-source.py", "Cubic-source.safetensors"]


@pytest.mark.long
@pytest.mark.usefixtures("one_ray")
def test_on_ray_too(notebook: Any, tmp_path: Path, same_folder: SameTable) -> None:
    """Its workers load the copies of the run folder."""
    shoal.run(notebook.names["Cubic"], out="here", **INLINE)
    shoal.run(notebook.names["Cubic"], out="ray", engine="ray", workers=2, **ASKED)
    same_folder(tmp_path / "here", tmp_path / "ray")


def test_its_run_folder_stands_for_itself(notebook: Any, tmp_path: Path, shell: Shell) -> None:
    """Going on, fitting again and predicting need no notebook."""
    result = shoal.run(notebook.names["Cubic"], out="run", time_budget=0.001, **INLINE)
    assert len(result.trials) < 96
    done = shell("run", "--out", "run", "--engine", "inline")
    assert (done.returncode, done.stderr.count("rror")) == (0, 0), done.stderr
    result = shoal.load("run")
    assert len(result.trials) == 96
    assert result.refit().same
    points = pandas.DataFrame({"x": [0.0, 1.5]})
    there = result.predict("best", points)
    (tmp_path / "points.csv").write_text("x\n0\n1.5\n")
    arguments = ("run", "--trial", "best", "--input", "points.csv", "--output", "out.csv")
    done = shell("predict", *arguments)
    assert done.returncode == 0, done.stderr
    told = pandas.read_csv(tmp_path / "out.csv")["prediction"].to_numpy()
    assert told == pytest.approx(there, rel=1e-6)


def test_going_on_with_the_class_checks_that_it_is_the_same(notebook: Any) -> None:
    """A changed cell, helper, number or tensor is told as a changed file is; nothing is run."""
    shoal.run(notebook.names["Cubic"], out="run", time_budget=0.001, **INLINE)
    notebook(CLASS)  # the same cell once more
    assert len(shoal.run(notebook.names["Cubic"], out="run", time_budget=0.001).trials) < 96
    for text in (
        CLASS.replace("2 * l2", "3 * l2"),
        HELPER.replace("- y", "- y * 1"),
        "y = y * 2",
    ):
        for each in (HEAD, HELPER, CLASS, text):
            notebook(each)
        with pytest.raises(
            shoal.BadInput,
            match=r"^run was made with another version of <memory>:Cubic \(sha256 \w{8} there, "
            r"\w{8} now: .*/Cubic-source\.\w+\); choose another --out, or go on with the copies",
        ):
            shoal.run(notebook.names["Cubic"], out="run")
    notebook(HEAD)
    notebook(HELPER)
    notebook(CLASS)
    assert len(shoal.run(notebook.names["Cubic"], out="run", engine="inline").trials) == 96
    with pytest.raises(shoal.BadInput, match="<memory>:Cubic was a class in memory: give the"):
        shoal.run("<memory>:Cubic")


def test_what_cannot_be_taken_along_makes_nothing(notebook: Any, tmp_path: Path) -> None:
    """One line, and no run folder."""
    notebook("import pandas\nx = pandas.Series([1.0])")
    with pytest.raises(shoal.BadInput, match=r"^Cubic uses x, a pandas.*Series; take its numbers"):
        shoal.run(notebook.names["Cubic"], **INLINE)
    notebook(HEAD)
    notebook("POWERS = iter('abcd')")
    with pytest.raises(shoal.BadInput, match=r"uses POWERS, a str_(ascii_)?iterator; make it in"):
        shoal.run(notebook.names["Cubic"], **INLINE)
    assert list(tmp_path.iterdir()) == []


def test_what_breaks_the_contract_is_told_with_the_line_of_its_cell(
    notebook: Any, tmp_path: Path
) -> None:
    """And nothing is made."""
    notebook(
        CLASS.replace("        loss =", "        if r.sum() > 0:\n            pass\n        loss =")
    )
    with pytest.raises(shoal.BadInput, match=r"^<cell 4 of \d+>:16: `if` or `while` on a tensor"):
        shoal.run(notebook.names["Cubic"], **INLINE)
    assert list(tmp_path.iterdir()) == []


def test_a_new_folder_has_the_name_of_the_class(notebook: Any, tmp_path: Path) -> None:
    """As that of a class in a file."""
    result = shoal.run(notebook.names["Cubic"], trials=2, steps=2, engine="inline")
    assert result.path.parent == tmp_path / "runs"
    assert result.path.name.startswith("Cubic-2")


def test_names_need_not_be_ascii(notebook: Any, tmp_path: Path, same_folder: SameTable) -> None:
    """Of the class, of what it uses, and in its text."""
    notebook("Größe = 1.0")
    text = CLASS.replace("class Cubic", "class Würfel").replace("x, y = data", "x, y = data  # é")
    notebook(text.replace("(r * r).sum() +", "(r * r).sum() * Größe +"))
    asked: dict[str, Any] = {"trials": 8, "steps": 5, "engine": "inline", "keep": 1}
    shoal.run(notebook.names["Würfel"], out="one", **asked)
    shoal.run(notebook.names["Cubic"], out="two", **asked)
    same_folder(tmp_path / "one", tmp_path / "two")
    assert shoal.load("one").refit().same


def test_two_searches_of_two_versions_do_not_mix(notebook: Any, tmp_path: Path) -> None:
    """One after the other, each has its own text."""
    shoal.run(notebook.names["Cubic"], out="one", trials=4, steps=5, engine="inline")
    notebook("y = y + 1")
    shoal.run(notebook.names["Cubic"], out="two", trials=4, steps=5, engine="inline")
    losses = [shoal.load(tmp_path / name).trials["loss"].tolist() for name in ("one", "two")]
    assert losses[0] != losses[1]
    assert shoal.load("one").refit().same
    assert shoal.load("two").refit().same


def test_two_searches_at_once_are_one_class(notebook: Any, tmp_path: Path) -> None:
    """Two threads of a notebook search the same class."""
    failed: list[BaseException] = []

    def search(name: str) -> None:
        try:
            shoal.run(notebook.names["Cubic"], out=name, **INLINE)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=search, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    tables = [shoal.load(tmp_path / name).trials["loss"] for name in ("one", "two")]
    assert tables[0].equals(tables[1])


RIDGE = """
import torch


class Ridge:
    space = {"lr": "1e-4:1e-2:log", "l2": "1e-6:1:log"}

    def __init__(self, X, y, scale=1.0):
        self.X, self.y, self.scale = X, y, scale
        self.names = ["w"]

    def data(self):
        return self.X * self.scale, self.y

    def initial(self, seed):
        generator = torch.Generator().manual_seed(seed)
        return {self.names[0]: torch.randn(self.X.shape[0], generator=generator)}

    def loss_and_gradient(self, params, data, l2=0.0):
        X, y = data
        r = params["w"] @ X - y
        loss = (r * r).sum() + l2 * (params["w"] ** 2).sum()
        return loss, {"w": 2 * (X @ r) + 2 * l2 * params["w"]}

    def predict(self, params, x):
        return x @ params["w"] * self.scale
"""

FILED = """


class Filed(Ridge):
    def __init__(self):
        t = torch.linspace(-1, 1, 200)
        super().__init__(torch.stack([t**k for k in range(4)]), torch.sin(3 * t), 0.5)
"""


@pytest.mark.long
@pytest.mark.usefixtures("one_ray")
@pytest.mark.parametrize("where", ["a cell", "a file"])
def test_an_instance_makes_the_table_of_a_class_with_the_same_data(
    cell: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    same_folder: SameTable,
    where: str,
) -> None:
    """Its tensors and numbers are saved, so that each engine has them, and the folder too."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "filed.py").write_text(RIDGE + FILED)
    shoal.run("filed.py:Filed", out="file", **INLINE)
    if where == "a cell":
        cell(RIDGE)
    else:
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "ridge_of_a_file.py").write_text(RIDGE)
        cell("from ridge_of_a_file import Ridge")
    cell(
        "t = torch.linspace(-1, 1, 200)"
        if where == "a cell"
        else "import torch\nt = torch.linspace(-1, 1, 200)"
    )
    cell("ridge = Ridge(torch.stack([t**k for k in range(4)]), torch.sin(3 * t), 0.5)")
    result = shoal.run(cell.names["ridge"], out="memory", **INLINE)
    same_folder(tmp_path / "file", tmp_path / "memory")
    assert result.refit().same
    shoal.run(cell.names["ridge"], out="ray", engine="ray", workers=2, **ASKED)
    same_folder(tmp_path / "file", tmp_path / "ray")
    cell("ridge.scale = 0.25")
    with pytest.raises(shoal.BadInput, match=r"^ray was made with another version of <memory>"):
        shoal.run(cell.names["ridge"], out="ray")
    sys.modules.pop("ridge_of_a_file", None)


@pytest.mark.parametrize(
    "change, told",
    [
        ("ridge.model = torch.nn.Linear(1, 1)", "Ridge's attribute model is a module, Linear"),
        ("ridge.log = iter('ab')", "Ridge's attribute log is a str_(ascii_)?iterator"),
        ("ridge.call = lambda: 1", "Ridge's attribute call is a function"),
        (
            "ridge.X = ridge.X.to('meta')",
            r"Ridge's attribute X is a tensor on meta; make it one of",
        ),
        (
            "class Slots(Ridge):\n    __slots__ = ('more',)\nridge = Slots(ridge.X, ridge.y)",
            "Slots has __slots__, and its attributes cannot be read",
        ),
    ],
)
def test_an_instance_with_what_cannot_be_saved_is_refused(
    cell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, told: str
) -> None:
    """By the attribute's name; nothing is made."""
    monkeypatch.chdir(tmp_path)
    cell(RIDGE)
    cell("ridge = Ridge(torch.ones(2, 3), torch.ones(3))")
    cell(change)
    with pytest.raises(shoal.BadInput, match=f"^{told}"):
        shoal.run(cell.names["ridge"], **INLINE)
    assert list(tmp_path.iterdir()) == []


def test_hyperparameters_of_an_instances_constructor_are_not_searched(
    cell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made already."""
    monkeypatch.chdir(tmp_path)
    cell(RIDGE)
    cell("ridge = Ridge(torch.ones(2, 3), torch.ones(3))")
    with pytest.raises(shoal.BadInput, match="unknown hyperparameter 'scale'"):
        shoal.run(cell.names["ridge"], space={"scale": [1.0, 2.0]}, **INLINE)


def test_an_instances_tensors_are_its_own_after_a_method_writes_into_them(cell: Any) -> None:
    """Each instance that the search makes has a copy, as a constructor would make one."""
    from shoal.trainable.memory import Generated, given_problem
    from shoal.trainable.problems import made

    cell(RIDGE)
    cell("ridge = Ridge(torch.ones(2, 3), torch.ones(3))")
    generated = given_problem(cell.names["ridge"])
    assert isinstance(generated, Generated)
    source = made(generated)
    try:
        one, other = source.load()(), source.load()()
        one.X += 1
        one.names.append("more")
        assert torch.equal(other.X, torch.ones(2, 3))
        assert other.names == ["w"]
    finally:
        source.release()


SCRIPT = """
import sys

import torch

import shoal

{text}

if __name__ == "__main__":
    result = shoal.run({given}, out=sys.argv[1], trials=8, steps=5, engine="inline", keep=1)
    print(result.trials["loss"].sum(), result.refit().same)
"""


@pytest.mark.long
def test_a_script_searches_its_own_class_given_as_it_is(
    tmp_path: Path, same_folder: SameTable
) -> None:
    """At the top of the script, which is then its file, and in a function of it."""
    inner = "".join(f"    {line}\n" if line else "\n" for line in CLASS.splitlines())
    texts = {
        "top": (HEAD + HELPER + CLASS, "Cubic"),
        "inner": (f"{HEAD}{HELPER}\ndef make(x, y):\n{inner}\n    return Cubic\n", "make(x, y)"),
    }
    for name, (text, given) in texts.items():
        (tmp_path / f"{name}.py").write_text(SCRIPT.format(text=text, given=given))
        command = [sys.executable, f"{name}.py", name]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stdout.endswith("True\n"), done.stderr
    same_folder(tmp_path / "top", tmp_path / "inner")
    kept = [[f.name for f in (tmp_path / n / "problem").iterdir()] for n in texts]
    assert kept[0] == ["top.py"]
    assert sorted(kept[1]) == ["Cubic-source.py", "Cubic-source.safetensors"]


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="from 3.13 on it keeps the text")
def test_where_the_text_is_not_kept_that_is_said(tmp_path: Path) -> None:
    """As in ``python -c``."""
    text = HEAD + HELPER + CLASS + "import shoal\nshoal.run(Cubic, engine='inline')\n"
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (
        "the text of the class Cubic is not kept here; write the class into a file" in done.stderr
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.version_info < (3, 13), reason="before 3.13 it keeps no text")
def test_a_class_of_a_command_is_searched(tmp_path: Path) -> None:
    """As in ``python -c``."""
    call = "import shoal\nprint(len(shoal.run(Cubic, trials=4, steps=3, engine='inline').trials))\n"
    text = HEAD + HELPER + CLASS + call
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "4\n", done.stderr
