"""Conditions: what they say once fixed parents and nesting are put in, and how they are written."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping
from typing import Any

import numpy
import optuna
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from shoal.search.errors import BadInput
from shoal.search.space.conditions import (
    ALWAYS,
    MAX_ALTERNATIVES,
    NEVER,
    Alternatives,
    Condition,
    as_plain,
    condition_of,
    of_plain,
    text_of,
)
from shoal.search.space.searched import Searched
from shoal.search.space.space import Space, parse

TEXTS = {
    "optimizer": "sgd,momentum,adam",
    "momentum": "0:0.9",
    "schedule": "constant,cosine",
    "nesterov": "0,1",
    "warmup": "0.1",
    "degree": "1:4:int",
    "width": "8:64:int",
    "kind": "wide",
    "lr": "1e-3:1:log",
}


def of(parent: str, *values: Any) -> Condition:
    """A condition."""
    return Condition(parent=parent, values=frozenset(values))


def other(parent: str, relation: str, *values: Any) -> Condition:
    """A condition that is none of equality."""
    return Condition(parent=parent, values=frozenset(values), relation=relation)


CONDITIONS: Mapping[str, Alternatives] = {
    "momentum": ((of("optimizer", "momentum"),),),
    "nesterov": ((of("degree", 4), of("warmup", 0.1)),),
    "warmup": ((of("schedule", "cosine"),), (of("optimizer", "adam"),)),
    "width": ((of("degree", 2, 3), of("kind", "wide")),),
}


def space_of(conditions: Mapping[str, Alternatives]) -> Space:
    """The space with conditions."""
    return Space((parse(*item) for item in TEXTS.items()), conditions)


def test_without_conditions_all_is_active() -> None:
    """Nothing is conditional, and there is no mask."""
    space = space_of({})
    assert space.conditional == ()
    assert space.when("lr") == ALWAYS
    assert Searched(space).active(dict.fromkeys(TEXTS, numpy.zeros(3)), 3) == {}


def test_a_condition_on_what_is_fixed_holds_or_does_not() -> None:
    """It is not said any more."""
    assert space_of(CONDITIONS).when("width") == ((of("degree", 2, 3),),)
    assert space_of({"width": ((of("kind", "wide"),),)}).when("width") == ALWAYS
    never = space_of({"width": ((of("kind", "deep"),),), "lr": ((of("width", 8),),)})
    assert never.when("width") == never.when("lr") == NEVER
    assert list(Searched(never).dimensions) == [
        "optimizer",
        "momentum",
        "schedule",
        "nesterov",
        "degree",
    ]


def test_a_condition_says_what_its_parent_needs_too() -> None:
    """The parent here is fixed, and active under one of two conditions."""
    assert space_of(CONDITIONS).when("nesterov") == (
        (of("degree", 4), of("schedule", "cosine")),
        (of("degree", 4), of("optimizer", "adam")),
    )


def test_masks_are_those_of_a_plain_reading() -> None:
    """Of every combination of values."""
    space = space_of(CONDITIONS)
    searched = Searched(space)
    rows = list(itertools.product(range(3), range(2), range(1, 5)))
    columns = {name: numpy.zeros(len(rows)) for name in searched.dimensions}
    columns |= {
        name: numpy.array(column)
        for name, column in zip(
            ("optimizer", "schedule", "degree"), zip(*rows, strict=True), strict=True
        )
    }
    found = searched.active(columns, len(rows))
    for i, (optimizer, schedule, degree) in enumerate(rows):
        warm = schedule == 1 or optimizer == 2
        assert {name: bool(mask[i]) for name, mask in found.items()} == {
            "momentum": optimizer == 1,
            "warmup": warm,
            "nesterov": degree == 4 and warm,
            "width": degree in (2, 3),
        }


def test_parents_come_before_what_hangs_on_them() -> None:
    """In the order in which a sampler that asks one by one has to go."""
    chain = {
        "optimizer": ((of("schedule", "cosine"),),),
        "schedule": ((of("degree", 2),),),
        "degree": ((of("width", 8),),),
    }
    order = Searched(space_of(chain)).order
    assert sorted(order) == sorted(n for n in TEXTS if n not in ("warmup", "kind"))
    places = [order.index(name) for name in ("width", "degree", "schedule", "optimizer")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("conditions", "told"),
    [
        ({"lr": ((of("speed", 1),),)}, "lr has a condition on speed, which is not in the space"),
        ({"speed": ((of("lr", 1),),)}, "there is a condition for speed, which is not in the space"),
        ({"lr": ((of("lr", 1),),)}, "the conditions go in a circle: lr on lr"),
        (
            {
                "lr": ((of("width", 8),),),
                "width": ((of("degree", 1),),),
                "degree": ((of("lr", 1),),),
            },
            "the conditions go in a circle: degree on lr on width on degree",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(conditions: Any, told: str) -> None:
    """In one line."""
    with pytest.raises(BadInput, match=f"^{told}"):
        space_of(conditions)


def test_conditions_are_written_as_toml_and_read_again() -> None:
    """All of them, in an order that does not change."""
    plain = as_plain(CONDITIONS)
    assert tomllib.loads(tomli_w.dumps(plain)) == plain
    assert of_plain(plain) == CONDITIONS
    assert plain["momentum"] == [{"optimizer": ["momentum"]}]


@pytest.mark.parametrize(
    ("plain", "told"),
    [
        ([], "must be a table of names"),
        ({"lr": {"optimizer": ["sgd"]}}, "each with a list of alternatives"),
        ({"lr": ["sgd"]}, "an alternative is a table"),
        ({"lr": [{"optimizer": []}]}, "the values of optimizer must be a list"),
        ({"lr": [{"optimizer": [[1]]}]}, "the values of optimizer must be a list"),
        ({"lr": [{"optimizer": ["sgd", 1]}]}, "the values of optimizer must be of one kind"),
    ],
)
def test_what_is_no_condition_is_refused(plain: Any, told: str) -> None:
    """In a damaged file."""
    with pytest.raises(TypeError, match=told):
        of_plain(plain)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optimizer=adam", ((of("optimizer", "adam"),),)),
        ("optimizer == adam", ((of("optimizer", "adam"),),)),
        ("optimizer in adam, adamw", ((of("optimizer", "adam", "adamw"),),)),
        ("optimizer=adam,adamw", ((of("optimizer", "adam", "adamw"),),)),
        ("layers!=3", ((other("layers", "not in", 3),),)),
        ("layers  not   in 3,4", ((other("layers", "not in", 3, 4),),)),
        ("layers>=2", ((other("layers", ">=", 2),),)),
        ("lr < 1e-3", ((other("lr", "<", 0.001),),)),
        ("lr<=-1e-3", ((other("lr", "<=", -0.001),),)),
        ("bias=true", ((of("bias", True),),)),
        ("inner>2", ((other("inner", ">", 2),),)),  # no word of the grammar, though it begins so
        (
            "a=1 and b>2 or c in x,y",
            ((of("a", 1), other("b", ">", 2)), (of("c", "x", "y"),)),
        ),
        (
            "kind=rock-and-roll and \u00b5>0",
            ((of("kind", "rock-and-roll"), other("\u03bc", ">", 0)),),
        ),
    ],
)
def test_a_condition_is_read_as_what_it_writes(text: str, expected: Alternatives) -> None:
    """And comes back from its own text."""
    assert condition_of("x", text) == expected
    assert condition_of("x", text_of(expected)) == expected
    assert text_of(condition_of("x", text_of(expected))) == text_of(expected)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "'' is no comparison; write NAME=VALUE"),
        ("layers", "'layers' is no comparison"),
        ("layers>", "'layers>' needs a value"),
        ("layers>1,2", "'layers>1,2' needs a value"),
        ("layers=1,,2", "needs a value"),
        ("layers=>2", "'layers=>2' is no comparison"),
        ("1<=layers<2", "'1<=layers<2' is no comparison"),
        ("not layers=1", "'not layers=1' is no comparison"),
        ("(layers=1)", "is no comparison"),
        ("layers=1 and", "'layers=1 and' is no comparison"),
        ("layers=1 and and b=2", "'and b=2' is no comparison"),
        ("layers>=2 or", "is no comparison"),
        ("layers=1:3", "is no comparison"),
        ("layers=1,a", "the values of layers must be of one kind"),
        ("layers>=inf", "a value must be a finite number"),
        ("layers=a\nb", "is no comparison"),
    ],
)
def test_what_is_no_condition_is_one_line(text: str, told: str) -> None:
    """It names the hyperparameter and the condition."""
    with pytest.raises(BadInput, match=r"^x: the condition '") as caught:
        condition_of("x", text)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


OWN = {
    "optimizer": "sgd,momentum,adam",
    "layers": "1:4:int",
    "lr": "1e-3:1:log",
    "bias": "True,False",
    "gain": "0:1:0.1",
    "wide": "8,16 if layers>=2",
    "wider": "8:64:8:int if wide=16 and layers!=4",
    "beta": "0:0.9 if optimizer=adam and lr<0.1 or bias=True",
    "gamma": "0:1 if gain in 0.3,0.7 and lr>=0.01 and lr<0.5",
}


def test_masks_of_written_conditions_are_those_of_a_plain_reading() -> None:
    """On words, whole numbers, floats, steps and truth values; several, nested, with or."""
    space = Space(parse(*item) for item in OWN.items())
    searched = Searched(space)
    rng = numpy.random.default_rng(0)
    count = 4000
    columns = {
        "optimizer": rng.integers(0, 3, count),
        "layers": rng.integers(1, 5, count),
        "lr": numpy.append(10.0 ** rng.uniform(-3, 0, count - 3), [0.01, 0.1, 0.5]),
        "bias": rng.integers(0, 2, count),
        "gain": space["gain"].axis.of_ranks(rng.integers(0, 11, count).astype(numpy.uint64)),
        "wide": rng.integers(0, 2, count),
        "wider": numpy.full(count, 8),
        "beta": numpy.full(count, 0.5),
        "gamma": numpy.full(count, 0.5),
    }
    found = searched.active(columns, count)
    assert set(found) == set(space.conditional) == {"wide", "wider", "beta", "gamma"}
    for i in range(count):
        adam, layers, lr = columns["optimizer"][i] == 2, columns["layers"][i], columns["lr"][i]
        wide = layers >= 2
        assert {name: bool(mask[i]) for name, mask in found.items()} == {
            "wide": wide,
            "wider": wide and columns["wide"][i] == 1 and layers != 4,
            "beta": (adam and lr < 0.1) or columns["bias"][i] == 0,
            "gamma": columns["gain"][i] in (0.3, 0.7) and 0.01 <= lr < 0.5,
        }


def test_combinations_are_those_that_trials_have() -> None:
    """Without what is not active; a condition that the given values do not meet is met too."""
    searched = Searched(Space(parse(*item) for item in OWN.items()))
    plain = [
        {"layers": layers, **({"wide": wide} if layers > 1 else {})}
        for layers in (1, 4)
        for wide in (8, 16)
    ]
    asked = searched.combinations({"layers": (1, 4), "wide": (8, 16)})
    assert all(each in asked for each in plain)
    assert {each["layers"] for each in asked} == {1, 2, 4}  # wider hangs on layers!=4
    assert all(type(value) is int for each in asked for value in each.values())
    assert len({tuple(each.items()) for each in asked}) == len(asked) == 5
    assert searched.combinations({"beta": (0.5,)}) == [{"beta": 0.5}, {}]
    assert searched.combinations({}) == [{}]


@pytest.mark.parametrize(
    ("texts", "never"),
    [
        ({"x": "1,2 if layers>=3 and layers<2"}, ["x"]),
        ({"x": "1,2 if layers>3 and layers not in 4,1"}, ["x"]),
        ({"x": "1,2 if lr>0.5 and lr<=0.5"}, ["x"]),
        ({"x": "1,2 if wide=8 and layers=1"}, ["x"]),  # wide is active with more layers
        ({"x": "1,2 if layers>=3 and layers<2 or bias=True", "y": "1,2 if x=1"}, []),
        ({"x": "1,2 if layers>=3 and layers<2", "y": "1,2 if x=1"}, ["x", "y"]),
    ],
)
def test_conditions_that_contradict_each_other_never_hold(
    texts: dict[str, str], never: list[str]
) -> None:
    """Nor do those on what is never active."""
    space = Space(parse(*item) for item in {**OWN, **texts}.items())
    assert [name for name in space if space.when(name) == NEVER] == never


def test_too_many_alternatives_are_refused() -> None:
    """Each hyperparameter here doubles those of the one before."""
    texts = {"x0": "1,2", "y": "1,2"}
    for i in range(1, 16):
        texts[f"x{i}"] = f"1,2 if x{i - 1}=1 and y=1 or x{i - 1}=2 and y=2"
    with pytest.raises(BadInput, match=f"more than {MAX_ALTERNATIVES} alternatives"):
        Space(parse(*item) for item in texts.items())


def test_a_condition_is_a_part_of_its_dimension() -> None:
    """Written behind the values, or beside them, in TOML and in Python."""
    text = "8:64:int if layers>=2"
    written = parse("x", text)
    assert written.text == text
    assert written != parse("x", "8:64:int")
    assert parse("x", {"values": "8:64:int", "if": "layers >= 2"}) == written
    distribution = optuna.distributions.IntDistribution(8, 64)
    assert parse("x", {"values": distribution, "if": "layers>=2"}) == written
    choices = parse("x", {"values": ["a", "b"], "if": "layers>=2"})
    assert choices == parse("x", "a,b if layers>=2")
    assert parse("x", "1e-3 if layers>=2").fixed
    for wrong, told in (
        ({"values": text, "if": "layers>=2"}, "x has two conditions"),
        ({"values": [1, 2], "if": True}, "x: if takes text"),
        ({"values": [1, 2]}, "is no dimension"),
        ("if layers>=2", "x= has no values"),
        ("1,2 if", "x: the condition ''"),
        (["do if", "b"], "'do if' is no word"),
        (["a if b"], "'a if b' is no word"),
    ):
        with pytest.raises(BadInput, match=told):
            parse("x", wrong)


values = st.one_of(
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.sampled_from(["adam", "rock-and-roll", "a b", "in", "not"]),
)


@given(
    st.lists(
        st.lists(
            st.builds(
                other,
                st.sampled_from(["lr", "layers", "inside", "order"]),
                st.sampled_from(["in", "not in", "<", "<=", ">", ">="]),
                values,
            ),
            min_size=1,
            max_size=3,
            unique=True,
        ).map(tuple),
        min_size=1,
        max_size=3,
    ).map(tuple)
)
def test_any_condition_is_read_as_it_was_written(alternatives: Alternatives) -> None:
    """Whatever its values."""
    assert condition_of("x", text_of(alternatives)) == alternatives
