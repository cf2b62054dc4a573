"""The syntax of the space, the same in the command line, in TOML and in Python."""

from __future__ import annotations

import numpy
import optuna
import pandas
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shoal.search.errors import BadInput
from shoal.search.space.dimension import Dimension
from shoal.search.space.space import parse, parse_assignments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1:0.9", Dimension(name="x", low=0.1, high=0.9)),
        ("1e-8:1e-4:log", Dimension(name="x", low=1e-8, high=1e-4, log=True)),
        ("8:64:int", Dimension(name="x", low=8, high=64, integer=True)),
        ("8:4096:int:log", Dimension(name="x", low=8, high=4096, integer=True, log=True)),
        ("sgd,momentum,adam", Dimension(name="x", choices=("sgd", "momentum", "adam"))),
        ("16, 32,64", Dimension(name="x", choices=(16, 32, 64))),
        ("1,0.5", Dimension(name="x", choices=(1.0, 0.5))),
        ("1e-6", Dimension(name="x", choices=(1e-6,))),
        ("adam", Dimension(name="x", choices=("adam",))),
        ("-2:-1", Dimension(name="x", low=-2, high=-1)),
        ("True,False", Dimension(name="x", choices=(True, False))),
        ("false, TRUE", Dimension(name="x", choices=(False, True))),
        ("true", Dimension(name="x", choices=(True,))),
        ("0:1:0.1", Dimension(name="x", low=0, high=1, step=0.1)),
        ("8:64:8:int", Dimension(name="x", low=8, high=64, step=8, integer=True)),
        ("8:64:1:int", Dimension(name="x", low=8, high=64, integer=True)),
    ],
)
def test_each_form_is_read_as_what_it_writes(text: str, expected: Dimension) -> None:
    """Each form of the syntax gives its dimension."""
    assert parse("x", text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1:0", r"x=1\.0:0\.0: the low end must be below the high end"),
        ("1:1", "the low end must be below the high end"),
        ("0:1:log", "with log the low end must be above 0"),
        ("a:b", "'a' and 'b' must be numbers"),
        ("1:2:3", "the step is longer than the range"),
        ("1:2:3:4", "write LOW:HIGH"),
        (
            "0:1:0.3",
            r"x=0\.0:1\.0:0\.3: steps .* do not reach the high end; write 0\.9 or 1\.2 for",
        ),
        ("1:8:3:int", r"do not reach the high end; write 7 or 10 for it"),
        ("0:1:0", "a step is a number above 0"),
        ("0:1:-0.1", "a step is a number above 0"),
        ("0:1:nan", "a step is a number above 0"),
        ("1:3:0.5:int", "with int the step must be a whole number"),
        ("1:3:0.5:log", "a step does not go with log"),
        ("0:1:1e-20", "the step is too short for the range"),
        ("1:2:log:0.1", "write LOW:HIGH"),
        ("1:2:log:log", "write LOW:HIGH"),
        ("1.5:2:int", "with int both ends must be whole numbers"),
        ("1,,2", "an empty choice"),
        ("1,a", "all numbers, all words or all truth values"),
        ("True,1", "all numbers, all words or all truth values"),
        ("true,relu", "all numbers, all words or all truth values"),
        ("True,False,true", "named twice"),
        ("True:False", "'True' and 'False' must be numbers"),
        ("9007199254740993,0.5", "whole numbers reach from"),
        ("0:9007199254740993:int", "whole numbers reach from"),
        ("a,a", "named twice"),
        ("", "has no values"),
        ("nan", "a value must be a finite number"),
        ("0:inf", "both ends must be finite"),
        ("nan:1", "both ends must be finite"),
    ],
)
def test_each_mistake_is_one_line_that_says_what_is_wrong(text: str, message: str) -> None:
    """A mistake in a dimension names it and says what is allowed."""
    with pytest.raises(BadInput, match=message) as caught:
        parse("x", text)
    assert "\n" not in str(caught.value)
    assert "x" in str(caught.value)


@pytest.mark.parametrize("name", ["trial", "loss", "state", "step", "error", "2x", "a-b", ""])
def test_a_name_that_is_a_column_or_no_name_is_refused(name: str) -> None:
    """A hyperparameter cannot be called as a column of the results, nor what is no name."""
    with pytest.raises(BadInput, match="hyperparameter"):
        parse(name, "1:2")


def test_a_name_given_twice_is_refused() -> None:
    """A space that repeats a name is refused, since one of the two would be lost."""
    with pytest.raises(BadInput, match="names lr twice"):
        parse_assignments(["lr=1:2", "lr=2:3"])
    with pytest.raises(BadInput, match="is not NAME=VALUES"):
        parse_assignments(["lr"])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-6, "1e-06"),
        (["sgd", "adam"], "sgd,adam"),
        ((1, 2.5), "1.0,2.5"),
        (optuna.distributions.FloatDistribution(1e-8, 1e-4, log=True), "1e-08:0.0001:log"),
        (optuna.distributions.IntDistribution(1, 8), "1:8:int"),
        (optuna.distributions.IntDistribution(0, 8, step=2), "0:8:2:int"),
        (optuna.distributions.FloatDistribution(0, 0.5, step=0.1), "0.0:0.5:0.1"),
        (optuna.distributions.CategoricalDistribution(("a", "b")), "a,b"),
        (optuna.distributions.FloatDistribution(1.0, 1.0), "1.0"),
        (True, "True"),
        ([True, False], "True,False"),
        (optuna.distributions.CategoricalDistribution([True, False]), "True,False"),
        (numpy.bool_(False), "False"),
        (numpy.array([True, False]), "True,False"),
        (pandas.Series([True, False]), "True,False"),
        (torch.tensor([False, True]), "False,True"),
        (numpy.float32(0.1), "0.10000000149011612"),
        (numpy.float64(0.1), "0.1"),
        (numpy.longdouble(0.5), "0.5"),
        (numpy.int64(3), "3"),
        (numpy.uint8(3), "3"),
        (numpy.str_("adam"), "adam"),
        (numpy.array(0.25), "0.25"),
        (torch.tensor(0.25), "0.25"),
        (numpy.array([8, 16]), "8,16"),
        ([numpy.int64(8), numpy.float32(0.5)], "8.0,0.5"),
        (numpy.array(["sgd", "adam"]), "sgd,adam"),
        (pandas.Index([1, 2]), "1,2"),
        (pandas.Series(["sgd", "adam"], dtype="category"), "sgd,adam"),
        (range(1, 4), "1,2,3"),
        ([numpy.float64(-0.0), 1], "-0.0,1.0"),
        (-0.0, "-0.0"),
    ],
)
def test_python_values_mean_the_same_as_text(value: object, text: str) -> None:
    """Numbers, lists and Optuna's distributions are dimensions, and are written as text."""
    assert parse("x", value).text == text
    assert parse("x", text) == parse("x", value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [1, "a"],
        [True, 1],
        [numpy.bool_(True), 0.5],
        [True, "a"],
        ["True", "False"],
        ["1"],
        {},
        {1, 2},
        numpy.zeros((2, 2)),
        numpy.datetime64("2026-01-01"),
        1j,
        b"sgd",
        numpy.array(["2026-01-01"], dtype="datetime64[ns]"),
        [None, 1],
        [float("nan")],
        [numpy.uint64(2**63)],
        [2**53 + 1, 0.5],
        range(10**12),
    ],
)
def test_python_values_that_are_no_dimension_are_refused(value: object) -> None:
    """What is no dimension is refused and named, in one line."""
    with pytest.raises(BadInput, match="x") as caught:
        parse("x", value)
    assert "\n" not in str(caught.value)


def test_equal_numbers_of_different_kinds_are_different_values() -> None:
    """1, 1.0 and True are equal for Python, and different arguments for a constructor."""
    ways = [parse("x", [1, 0]), parse("x", [1.0, 0.0]), parse("x", [True, False])]
    assert len(set(ways)) == 3
    assert [dimension.column for dimension in ways] == ["int", "float", "bool"]
    assert [type(dimension.choices[0]) for dimension in ways] == [int, float, bool]
    assert parse("x", "0.0,1.0") != parse("x", "-0.0,1.0")


def test_a_hundred_thousand_choices_are_shown_in_short() -> None:
    """They are read and written whole, and a message stays a line that can be read."""
    dimension = parse("x", numpy.arange(100_000))
    assert parse("x", dimension.text) == dimension
    assert len(dimension.choices) == 100_000
    with pytest.raises(BadInput, match=r"\(100001 choices\): a choice is named twice") as caught:
        parse("x", [*range(100_000), 5])
    assert len(str(caught.value)) < 300


numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(low=numbers, high=numbers, log=st.booleans())
def test_what_is_written_is_read_as_the_same_range(low: float, high: float, log: bool) -> None:
    """A range survives being written and read, bit for bit; else it is refused at once."""
    try:
        dimension = Dimension(name="x", low=low, high=high, log=log)
    except BadInput:
        assert low >= high or (log and low <= 0)
        return
    assert parse("x", dimension.text) == dimension


@given(st.text(max_size=30))
def test_any_text_is_a_dimension_or_one_line(text: str) -> None:
    """No text gives anything but a dimension or a message of one line."""
    try:
        dimension = parse("x", text)
    except BadInput as error:
        lines = str(error).splitlines()
    else:
        lines = [dimension.text]
        assert parse("x", dimension.text) == dimension
    assert len(lines) == 1
