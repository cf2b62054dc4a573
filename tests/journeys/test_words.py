"""Small words: names, values, paths and variables as people and their keyboards write them."""

from __future__ import annotations

import inspect
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import shoal
from shoal.search.command.main import main
from shoal.search.driver.outcomes import mishaps
from shoal.search.engines import options
from shoal.search.engines.options import CHECKPOINT_SECONDS, RunOptions, seconds_of
from shoal.search.preparation.preparation import prepare
from shoal.search.request.asked import Asked
from shoal.search.request.request import Request
from shoal.search.request.settings import BY_NAME
from shoal.trainable.compiling.library import cache_folder
from shoal.trainable.errors import CompileError

MICRO, MU = "\u00b5", "\u03bc"

PROBLEM = f"""
import torch


class Café:
    space = {{"lr": "1e-3:1e-1:log"}}

    def __init__(self, degree=3):
        self.degree = degree

    def data(self):
        return torch.linspace(-1, 1, 50)

    def initial(self, seed):
        return {{"w": torch.ones(())}}

    def loss_and_gradient(self, params, data, {MICRO}=0.0):
        w = params["w"]
        r = w * data - 1
        return (r * r).mean() + {MICRO} * w * w, {{"w": 2 * (r * data).mean() + 2 * {MICRO} * w}}
"""

SMALL: dict[str, Any] = {"trials": 8, "steps": 5, "engine": "inline", "program": "eager"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a problem and a hyperparameter with letters of Europe."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prob.py").write_text(PROBLEM, encoding="utf-8")
    return tmp_path


def test_a_name_may_be_typed_in_any_form_that_python_takes_for_it(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """µ of a keyboard is μ, from Python, TOML and the command line, and going on with either; é
    of two code points is é of one."""
    accent = "prob.py:Cafe\u0301"
    first = shoal.run(accent, space={MICRO: "1e-6:1:log"}, **SMALL, out="a")
    assert MU in first.trials.columns
    (place / "c.toml").write_text(
        f'problem = "prob.py:Café"\ntrials = 8\nsteps = 5\nprogram = "eager"\n'
        f'[space]\n"{MICRO}" = "1:2"\n',
        encoding="utf-8",
    )
    for out, name in (("b", MU), ("b", MICRO)):
        words = ["run", "--config", "c.toml", "--engine", "inline", "--out", out]
        with pytest.raises(SystemExit, match="0"):
            main.main(args=[*words, "--space", f"{name}=1e-6:1:log"])
    assert shoal.load("b").trials[MU].tolist() == first.trials[MU].tolist()
    with pytest.raises(SystemExit, match="0"):
        main.main(args=["fit", "prob.py:Café", "lr=1e-3", f"{MICRO}=0.1", "--steps", "5"])
    with pytest.raises(shoal.BadInput, match=f"the space names {MU} twice"):
        shoal.run("prob.py:Café", space={MICRO: 1.0, MU: 2.0}, **SMALL)
    capsys.readouterr()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1e-8-1e-4", "lr=1e-8:1e-4"),
        ("1e-8-1e-4:log", "lr=1e-8:1e-4:log"),
        ("0.1–0.9", "lr=0.1:0.9"),
        ("1e-8..1e-4", "lr=1e-8:1e-4"),
        ("-2 to -1", "lr=-2:-1"),
    ],
)
def test_a_range_that_is_written_otherwise_is_told_how(place: Path, text: str, told: str) -> None:
    """One line with what to type; also where the default says that a number is wanted."""
    for name in ("lr", "degree"):
        line = f"{name}={text}: a range is LOW:HIGH, type {told.replace('lr', name)}"
        with pytest.raises(shoal.BadInput, match=f"^{re.escape(line)}$"):
            shoal.run("prob.py:Café", space={name: text}, **SMALL)


def test_a_path_of_a_fit_may_have_an_equals_sign(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No value of a hyperparameter ends as a problem's file and class do."""
    (place / "a=1").mkdir()
    (place / "prob.py").rename(place / "a=1" / "b=2.py")
    words = ["fit", "a=1/b=2.py:Café", "lr=1e-3", "--steps", "5"]
    with pytest.raises(SystemExit, match="0"):
        main.main(args=words)
    assert "w = " in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main.main(args=[*words, "b=2.py:P"])
    assert "one problem at a time" in capsys.readouterr().err


@pytest.mark.parametrize("sampler", ["tpe", "optuna-tpe", "qmc", "random"])
@pytest.mark.parametrize("form", ["{}:{}:log", "{}:{}"])
def test_a_range_of_one_ulp_is_searched(place: Path, sampler: str, form: str) -> None:
    """Its two ends may have one logarithm; no value is another than they, nor missing."""
    low = 0.001
    high = math.nextafter(low, 1.0)
    space = {"lr": form.format(low, high), MU: "0:1"}
    found = shoal.run("prob.py:Café", space=space, **SMALL, sampler=sampler, out="out", round=4)
    assert set(found.trials["lr"]) <= {low, high}
    assert found.trials[MU].between(0.0, 1.0).all()


LATIN = b"r\xe9sultats"


@pytest.mark.long
def test_a_folder_whose_name_is_not_utf_8_serves_for_all(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run folder, problem and working folder; a terminal gets the bytes, JSON what reads back."""
    folder = place / os.fsdecode(LATIN)
    folder.mkdir()
    (place / "prob.py").rename(folder / "prob.py")
    spec = os.fsdecode(LATIN) + "/prob.py:Café"
    shoal.run(spec, **SMALL, out=os.fsdecode(LATIN) + "/a")
    os.chdir(folder)
    shoal.run("prob.py:Café", **SMALL, out="b")
    os.chdir(place)
    assert shoal.run(spec, **SMALL).path.name.startswith("Café-")
    os.chdir(folder)
    assert shoal.load("a").best["loss"] == shoal.load("b").best["loss"]
    os.chdir(place)
    given = [spec, "--trials", "8", "--steps", "5", "--out", folder / "a", "--engine", "inline"]
    for more, code in (([], "utf-8:strict"), ([], "latin-1:strict"), (["--json"], "utf-8:strict")):
        done = subprocess.run(
            [sys.executable, "-m", "shoal", "run", "--program", "eager", *given, *more],
            env={**os.environ, "PYTHONIOENCODING": code},
            capture_output=True,
            check=True,
        )
        assert (b"\\udce9" if more else LATIN) in done.stdout


@pytest.mark.long
def test_ray_starts_where_a_folder_is_not_utf_8_and_a_variable_is_empty(
    place: Path, no_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workers find the problem, and shoal's own packages whatever lies there besides; a
    variable that Ray reads a number from is as if unset."""
    monkeypatch.setenv("RAY_CHDIR_TO_TRIAL_DIR", "")
    folder = place / os.fsdecode(LATIN)
    folder.mkdir()
    (place / "prob.py").rename(folder / "prob.py")
    executed = place / "executed"
    (folder / "trainable.py").write_text(f"open({str(executed)!r}, 'w')\nraise SystemExit")
    os.chdir(folder)
    shoal.run("prob.py:Café", **{**SMALL, "engine": "ray"}, workers=1, out=folder / "a")
    assert not executed.exists()
    assert os.environ["RAY_CHDIR_TO_TRIAL_DIR"] == ""
    assert len(shoal.load("a").trials) == 8


def test_an_empty_variable_is_as_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of Ray's address, the run folder of a batch job, the home folder and the cache."""
    monkeypatch.setenv("RAY_ADDRESS", "")
    assert RunOptions(engine="auto").ray_address is None
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert RunOptions(engine="auto").ray_address == "10.0.0.1:6379"
    monkeypatch.setenv("SHOAL_OUT", "")
    run = main.commands["run"]
    out = next(option for option in run.params if option.name == "out")
    assert out.resolve_envvar_value(click.Context(run)) is None
    for name in ("HOME", "SHOAL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "")
    with pytest.raises(shoal.BadInput, match=r"^path ~/a: you have no home folder; for"):
        shoal.load("~/a")
    with pytest.raises(CompileError, match="there is no home folder to keep libraries in; set"):
        cache_folder()


def _options() -> Iterator[tuple[str, click.Option, str]]:
    """Each option of each command that says in brackets what holds where it is absent."""
    for name, command in main.commands.items():
        for option in command.params:
            said = re.search(r"  \[(.*)\]$", getattr(option, "help", None) or "")
            if said is not None:
                assert isinstance(option, click.Option)
                yield name, option, said.group(1)


DEFAULTS = {name: setting.default for name, setting in BY_NAME.items()}

OF_FITS = {("fit", "report"): 100, ("fit", "replicate"): 0, ("predict", "replicate"): 0}
"""What holds for one fit, where a search has another default or none."""

NO_CONSTANT = {
    "the problem's, else loss:min",
    "16, later an eighth",
    "64, later half a round",
    "the folder's name, and .html, here",
    "that of the run folder",
    "all",
    "the only one",
    "value",
    "from trials",
    "from the device",
    "one per GPU, else one per core",
    "$RAY_ADDRESS",
    "runs/PROBLEM-TIME",
    "steps or epochs / 20",
    "until it is done",
    "any time",
    "any free port",
    "none",
}
"""What help says of a setting that has no one value where it is absent."""


def test_help_says_the_defaults_that_the_code_has() -> None:
    """Of every option, and of each argument of `shoal.run`; both ways have the same."""
    seen = 0
    python = inspect.signature(shoal.run).parameters
    for command, option, said in _options():
        name = str(option.name)
        default: Any = option.get_default(click.Context(main), call=False)
        if not isinstance(default, (int, float, str)):  # unset, as each version of click has it
            default = OF_FITS.get((command, name), DEFAULTS.get(name))
        if command == "results" and name == "best":
            default = 10
        if command == "watch" and name == "port":
            default = None  # 0 stands for any
        if default is None:
            assert said in NO_CONSTANT, f"{command} --{name} [{said}]"
        elif isinstance(default, (int, float)):
            assert float(said.partition(":")[0]) == default, f"{command} --{name} [{said}]"
        else:
            assert said == str(default), f"{command} --{name} [{said}]"
        seen += 1
    assert seen > 20
    assert python["engine"].default == "auto"
    checkpoint = next(o for _, o, _ in _options() if o.name == "checkpoint")
    assert seconds_of("checkpoint", str(checkpoint.default)) == CHECKPOINT_SECONDS
    assert python["checkpoint"].default == CHECKPOINT_SECONDS
    told = dict(re.findall(r"^ {8}(\w+): [^;\n]*; `*([\w-]+)`* if absent", _docstring(), re.M))
    assert told.keys() >= {"problem", "trials", "steps"}
    assert {n: str(DEFAULTS[n]) for n in told if n in DEFAULTS} == {
        n: text for n, text in told.items() if n in DEFAULTS
    }


def test_the_curve_has_the_points_that_help_says() -> None:
    """A twentieth of the steps, one at the least."""
    for steps, report in ((400, 20), (19, 1)):
        asked = {"problem": "cubic-sine", "trials": 4, "steps": steps, "program": "eager"}
        request: Request = prepare(Asked.of(asked), None).request
        assert request.report == report


@pytest.mark.parametrize(
    ("words", "value", "expected"),
    [
        ("two\nminutes' work of a core", options.COMPILED_INLINE_SECONDS, 120.0),
        ("(four seconds', if it is not compiled)", options.INLINE_SECONDS, 4.0),
        ("every five minutes otherwise (`--checkpoint`)", CHECKPOINT_SECONDS, 300.0),
        ("after six deaths on nodes that live", mishaps.DEATHS, 6),
        ("or 1000 times the first", DEFAULTS["diverge_factor"], 1000.0),
    ],
)
def test_the_pages_say_the_numbers_that_the_code_has(
    words: str, value: float, expected: float
) -> None:
    """In words, which no other test would compare."""
    pages = (Path(__file__).parents[2] / "docs").glob("*.md")
    text = " ".join(" ".join(page.read_text(encoding="utf-8").split()) for page in pages)
    assert " ".join(words.split()) in text
    assert value == expected


def _docstring() -> str:
    return shoal.run.__doc__ or ""
