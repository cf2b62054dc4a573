"""Conditions that are written, checked before a search begins: each says something, and a fit has a
default for what is not active."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import FloatDistribution

import shoal
from shoal.search.errors import BadInput
from shoal.search.preparation import prepare
from shoal.search.preparation.prepared import Prepared
from shoal.search.programs.case import shapes_of
from shoal.search.programs.choice import Programs
from shoal.search.request import Asked
from shoal.search.space import Space, parse, parse_assignments

NET = """
import torch

class Net:
    space = {
        "lr": "1e-3:1e-1:log",
        "layers": "1:3:int",
        "width2": "2:4:int if layers>=2",
        "optimizer": "sgd,adam",
    }

    def __init__(self, layers=1, *, size, width2=2):
        self.layers, self.width2 = layers, width2

    def data(self):
        return torch.linspace(-1, 1, 16)

    def initial(self, seed, scale=1.0):
        return (torch.full((self.width2,), 0.1 * (1 + seed)) * scale,)

    def loss(self, params, x, hard, l2=0.0):
        return ((params[0].sum() * x - 2 * x) ** 2).mean() + l2 * hard
"""
CALLS = """
def usual(lr, width=32, depth=None, *, seed=0): return lr
def needs(lr, width, /, seed=0): return lr
def takes(lr, **more): return lr
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the problems of these tests lie."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "calls.py").write_text(CALLS)
    return tmp_path


def prepared(problem: str | None, *space: str, **asked: Any) -> Prepared:
    """The search that is asked for in words."""
    return prepare(Asked(problem=problem, space=parse_assignments(space), trials=8, **asked), None)


NEEDED = ("size=1", "hard=1.0")


@pytest.mark.parametrize(
    ("space", "told"),
    [
        (["l2=0:1 if depth>2"], "l2 has a condition on depth, which is not in the space; known: "),
        (["l2=0:1 if l2>0.5"], "the conditions go in a circle: l2 on l2"),
        (["l2=0:1 if layers>=2", "layers=2"], "layers is 2, in every trial that has it: leave the"),
        (
            ["l2=0:1 if width2>=3", "width2=4 if layers=3"],
            "l2 has the condition width2>=3, but wid",
        ),
        (["l2=0:1 if layers>=4"], "the condition layers>=4, but layers is 1:3:int, so that it nev"),
        (["l2=0:1 if layers<1"], "so that it never holds"),
        (["l2=0:1 if layers not in 1,2,3"], "so that it never holds"),
        (["l2=0:1 if layers=7"], "layers=7, but layers is 1:3:int, which is never 7"),
        (["l2=0:1 if layers=2.5"], "which is never 2.5"),
        (["l2=0:1 if layers in 1,7"], "which is never 7"),
        (["l2=0:1 if layers!=7"], "which is never 7"),
        (["l2=0:1 if scale=0.25", "scale=0:1:0.1"], "which is never 0.25"),
        (["l2=0:1 if layers=two"], "layers is 1:3:int: compare it with numbers"),
        (["l2=0:1 if layers=True"], "layers is 1:3:int: compare it with numbers"),
        (["l2=0:1 if optimizer=1"], "optimizer is sgd,adam: compare it with words"),
        (["l2=0:1 if optimizer=adm"], "optimizer is sgd,adam, which is never adm"),
        (["l2=0:1 if optimizer>adam"], "optimizer is sgd,adam: write =, != or in"),
        (["l2=0:1 if lr=0.01"], "where hardly a trial has exactly this number: write < or >="),
        (["l2=0:1 if layers>=3 and layers<2"], "l2 is never active: no trial has layers>=3 and l"),
        (["l2=0:1 if width2=2 and layers=1"], "l2 is never active: no trial has width2=2 and lay"),
        (
            ["size=1,2 if layers>=2"],
            "where it does not hold __init__ needs a default: write size=1",
        ),
        (["hard=0:1 if layers>=2"], "where it does not hold loss needs a default: write hard=0.0"),
        (["lr=1e-3:1 if layers>=2"], "where it does not hold sgd has no default for it: leave the"),
        (
            ["optimizer=sgd,adam if layers>=2"],
            "optimizer has a condition, but each trial needs one",
        ),
        (["l2=1-2 if layers=2"], "l2=1-2 if layers=2: a range is LOW:HIGH, type l2=1:2"),
    ],
)
def test_what_says_nothing_or_leaves_a_fit_without_a_value_is_one_line(
    place: Path, space: list[str], told: str
) -> None:
    """It says what is wrong, and what there is."""
    names = {text.partition("=")[0] for text in space}
    more = [text for text in NEEDED if text.partition("=")[0] not in names]
    with pytest.raises(BadInput, match=re.escape(told)) as caught:
        prepared("net.py:Net", *more, *space)
    assert len(str(caught.value).splitlines()) == 1
    assert sorted(file.name for file in place.iterdir() if file.is_file()) == ["calls.py", "net.py"]


@pytest.mark.usefixtures("place")
def test_what_the_user_fixes_leaves_the_conditions_of_the_problem_as_they_are() -> None:
    """Here there is no second layer ever, or always."""
    never = prepared("net.py:Net", *NEEDED, "layers=1").request.space
    assert never.when("width2") == ()
    always = prepared("net.py:Net", *NEEDED, "layers=2").request.space
    assert "width2" not in always.conditional


@pytest.mark.usefixtures("place")
def test_a_learning_rate_may_hang_on_the_optimizers_that_have_one() -> None:
    """lr has no default, and needs none where no trial is without."""
    space = ["lr=1e-3:1e-1:log if optimizer in sgd,adam", "momentum=0:0.9 if lr>=0.01"]
    found = prepared("net.py:Net", *NEEDED, *space).request
    assert found.space.texts()["lr"] == "0.001:0.1:log if optimizer in adam,sgd"
    assert found.as_dict()["conditions"] == {"momentum": [{"optimizer": ["sgd"]}]}


@pytest.mark.usefixtures("place")
def test_a_step_makes_values_that_a_shape_hyperparameter_may_have() -> None:
    """Of a range of any numbers each would need a program of its own."""
    with pytest.raises(BadInput, match="give choices, whole numbers or a step"):
        prepared("net.py:Net", "hard=1.0", "size=0:1")
    prepared("net.py:Net", "hard=1.0", "size=0:1:0.25")


@pytest.mark.usefixtures("place")
def test_functions_have_defaults_in_their_signatures() -> None:
    """Those without one, and with none that is active in every trial, are refused."""
    space = ("lr=0:1", "width=1:8:int if lr>0.5")
    for name, more in (("usual", ("depth=1,2 if width>=4",)), ("takes", ())):
        request = prepared(f"calls.py:{name}", *space, *more).request
        assert request.space.conditional == ("width", *(["depth"] if more else []))
    with pytest.raises(BadInput, match=r"calls\.py:3: needs needs a default: write width=1 there"):
        prepared("calls.py:needs", *space)
    with pytest.raises(BadInput, match="width has a condition on lrr, which is not in the space"):
        prepared("calls.py:usual", "lr=0:1", "width=1:8:int if lrr>0.5")
    with pytest.raises(BadInput, match="which is never 3"):
        prepared("calls.py:usual", "lr=1,2", "width=1:8:int if lr=3")


@pytest.mark.usefixtures("place")
def test_programs_have_defaults_in_their_commands() -> None:
    """In braces, behind an equals sign; one that is not searched needs no more."""
    space, read = ("a=0:1", "b=0:1 if a>0.5"), {"loss": "(.*)"}
    with pytest.raises(BadInput, match=r"--exec needs a default: write \{b=0\.0\} there"):
        prepared(None, *space, exec="echo {a} {b}", read=read)
    assert (
        prepared(None, *space, exec="echo {a} {b=0.5}", read=read).request.as_dict()["format"] == 9
    )
    assert (
        prepared(None, "a=0:1", exec="echo {a} {b=0.5}", read=read).request.as_dict()["format"] == 9
    )
    with pytest.raises(BadInput, match="b is '1' and '2' in a trial without it"):
        prepared(None, *space, exec="echo {a} {b=1} {b=2}", read=read)


@pytest.mark.usefixtures("place")
def test_one_fit_has_no_condition() -> None:
    """It has one value of each, or none."""
    with pytest.raises(BadInput, match="fit takes one value; shoal run searches"):
        shoal.fit("net.py:Net", lr=1e-3, size=1, hard=1.0, l2="0.5 if layers>=2")


def test_toml_and_python_have_the_same_conditions() -> None:
    """Beside values that are no text; the command line wins by name."""
    toml = """
        [space]
        layers = [1, 2, 3]
        l2 = "0:1 if layers>=2"
        kind = {values = ["a", "b"], if = "layers in 2,3 and l2<0.5"}
    """
    said = Asked.of(tomllib.loads(toml))
    assert {name: d.text for name, d in said.dimensions.items()} == {
        "layers": "1,2,3",
        "l2": "0.0:1.0 if layers>=2",
        "kind": "a,b if layers in 2,3 and l2<0.5",
    }
    typed = Asked(space=parse_assignments(["l2=0:2 if layers!=1"]))
    assert typed.over(said).dimensions["l2"].text == "0.0:2.0 if layers!=1"
    given = {"layers": [1, 2], "l2": {"values": FloatDistribution(0, 1), "if": "layers>=2"}}
    assert Asked(space=given).dimensions["l2"] == said.dimensions["l2"]


TEXTS = {
    "lr": "1e-3:1:log",
    "layers": "1:3:int",
    "width2": "8,16 if layers>=2",
    "bias": "True,False if lr>=0.1 and layers!=2",
    "optimizer": "sgd,adam",
}


PARENTS = {f"p{i}": "0:1" for i in range(20)}
HOLD = [f"{name}<0.5" for name in PARENTS]
"""Too many to go through all that these may be."""


def space_of(texts: Mapping[str, str]) -> Space:
    """A space as it is written."""
    return Space(parse(*item) for item in texts.items())


def test_programs_are_made_for_the_shapes_that_trials_have() -> None:
    """One that is not active is one more value; whether it is may hang on what is no shape."""
    names = ("layers", "width2", "bias", "optimizer")
    shapes = shapes_of(space_of(TEXTS), names, 1)
    layers = [(1, ()), (2, ((8,), (16,))), (3, ((8,), (16,)))]
    expected = [
        {
            "optimizer": optimizer,
            "layers": count,
            **({"width2": width[0]} if width else {}),
            **({} if bias is None else {"bias": bias}),
        }
        for count, widths in layers
        for width in widths or ((),)
        for bias in ((None,) if count == 2 else (None, True, False))
        for optimizer in ("sgd", "adam")
    ]
    assert len(shapes) == len(expected) == 2 * (3 + 2 + 2 * 3)
    assert all(shape in shapes for shape in expected)


@pytest.mark.parametrize(
    ("texts", "count"),
    [
        (TEXTS, 22),
        ({**TEXTS, "width2": "8,16", "bias": "True,False"}, 24),
        ({**TEXTS, "width2": "1:5000:int if layers>=2"}, 3 * 5001 * 3 * 2),  # no fewer than
        ({**TEXTS, **PARENTS, "bias": f"True,False if {' and '.join(HOLD)}"}, math.inf),
    ],
)
def test_programs_are_counted(texts: Mapping[str, str], count: int) -> None:
    """So many are compiled, or too many."""
    programs = Programs(
        problem=object,
        space=space_of(texts),
        names=("layers", "width2", "bias", "optimizer"),
        defaults={},
        points=(),
        report=1,
        pack=1,
        together=1,
        device="cpu",
    )
    assert programs.count == count
