"""The optimizers and schedules of a search, and the conditions that follow from them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

import numpy
import pytest

from shoal.search.errors import BadInput
from shoal.search.preparation.declared import default_values
from shoal.search.preparation.updates import SHIPPED, Known, Updates
from shoal.search.space.searched import Searched
from shoal.search.space.space import Space, parse
from shoal.trainable.problems import hyperparameters

OPTIMIZERS = ("plain", "heavy", "fast", "odd")
SCHEDULES = ("constant", "cosine", "step")


def own(optimizer: str, schedule: str) -> Mapping[str, float | None]:
    """Hyperparameters of another house: each hangs on them in another way."""
    found: dict[str, float | None] = {"lr": None}
    if optimizer in ("heavy", "odd"):
        found["momentum"] = 0.9
    if schedule != "constant":
        found["warmup"] = 0.0
    if optimizer == "fast" or schedule == "step":
        found["beta"] = 0.99
    if (optimizer, schedule) in (("odd", "constant"), ("plain", "step"), ("heavy", "step")):
        found["strange"] = 1.0
    return found


KNOWN = Known(optimizers=OPTIMIZERS, schedules=SCHEDULES, hyperparameters=own)
RANGES = dict.fromkeys(("lr", "momentum", "warmup", "beta", "strange"), "0:1")


def subsets(names: tuple[str, ...]) -> list[str]:
    """All choices of some of them, as they are written."""
    return [
        ",".join(chosen)
        for count in range(1, len(names) + 1)
        for chosen in itertools.combinations(names, count)
    ]


@pytest.mark.parametrize("optimizers", subsets(OPTIMIZERS))
@pytest.mark.parametrize("schedules", subsets(SCHEDULES))
def test_a_hyperparameter_is_active_where_its_optimizer_and_schedule_have_it(
    optimizers: str, schedules: str
) -> None:
    """In every choice of both."""
    texts = {"optimizer": optimizers, "schedule": schedules, **RANGES}
    dimensions = {name: parse(name, text) for name, text in texts.items()}
    updates = Updates.of(dimensions, KNOWN)
    has = {
        name: d
        for name, d in dimensions.items()
        if name not in RANGES or name in updates.hyperparameters
    }
    space = Space(has.values(), updates.conditions(has))
    pairs = list(itertools.product(optimizers.split(","), schedules.split(",")))
    searched = Searched(space)
    columns = {name: numpy.zeros(len(pairs)) for name in searched.dimensions}
    for i, word in enumerate(("optimizer", "schedule")):
        if word in columns:
            choices = dimensions[word].choices
            columns[word] = numpy.array([choices.index(pair[i]) for pair in pairs])
    masks = searched.active(columns, len(pairs))
    every = numpy.ones(len(pairs), dtype=bool)
    for name in set(RANGES) & set(has):
        expected = [name in own(*pair) for pair in pairs]
        assert masks.get(name, every).tolist() == expected
        assert (name in space.conditional) == (not all(expected))


def test_a_name_of_the_problems_own_is_always_active() -> None:
    """Unless an optimizer of the search is to have it, which is refused elsewhere."""
    updates = Updates.of({"optimizer": parse("optimizer", "plain,fast")}, KNOWN)
    assert updates.conditions(["optimizer", "momentum", "degree"]) == {}


def test_what_is_not_said_is_sgd_with_a_constant_learning_rate() -> None:
    """As ever."""
    updates = Updates.of({})
    assert (updates.optimizers, updates.schedules) == (("sgd",), ("constant",))
    assert updates.hyperparameters == SHIPPED.hyperparameters("sgd", "constant")
    assert updates.words == {"optimizer": "sgd"}
    assert updates.text == "sgd"
    both = Updates.of({"optimizer": "fast", "schedule": "step"}, KNOWN)
    assert both.words == {"optimizer": "fast", "schedule": "step"}
    assert both.text == "fast and schedule step"


@pytest.mark.parametrize(
    ("space", "told"),
    [
        (
            {"optimizer": "hevy"},
            "unknown optimizer 'hevy'; known: plain, heavy, fast, odd (did you mean heavy?)",
        ),
        ({"optimizer": "newton"}, "unknown optimizer 'newton'; known: plain, heavy, fast, odd"),
        (
            {"optimizer": "plain", "schedule": "cosin"},
            "unknown schedule 'cosin'; known: constant, cosine, step (did you mean cosine?)",
        ),
        (
            {"optimizer": "plain", "schedule": parse("schedule", "step,never")},
            "unknown schedule 'step,never'; known: constant, cosine, step",
        ),
        (
            {"optimizer": "plain", "schedule": parse("schedule", "0:1")},
            "unknown schedule '0.0:1.0'; known: constant",
        ),
        ({"optimizer": True}, "unknown optimizer True; known: plain, heavy, fast, odd"),
    ],
)
def test_what_is_unknown_is_told_with_what_is_known(space: dict[str, object], told: str) -> None:
    """And with what was meant, perhaps."""
    with pytest.raises(BadInput, match=f"^{re.escape(told)}"):
        Updates.of(space, KNOWN)


def test_a_hyperparameter_of_several_defaults_has_that_of_each_optimizer() -> None:
    """None of them is taken for another optimizer's: the program of each has its own."""

    def unlike(optimizer: str, schedule: str) -> Mapping[str, float | None]:
        return {"lr": 0.1, "decay": {"heavy": 0.01, "fast": 0.0, "odd": None}.get(optimizer, 0.0)}

    known = Known(optimizers=OPTIMIZERS, schedules=SCHEDULES, hyperparameters=unlike)
    both = Updates.of({"optimizer": parse("optimizer", "plain,heavy,fast")}, known)
    declared = hyperparameters(Good)
    assert default_values(declared, both, {}) == {"lr": 0.1, "l2": 0.3}
    assert default_values(declared, both, {"decay": 0.5}) == {"lr": 0.1, "l2": 0.3}
    heavy = Updates.of({"optimizer": "heavy"}, known)
    assert default_values(declared, heavy, {}) == {"lr": 0.1, "decay": 0.01, "l2": 0.3}
    same = Updates.of({"optimizer": parse("optimizer", "plain,fast")}, known)
    assert default_values(declared, same, {})["decay"] == 0.0
    for optimizers in ("odd,heavy", "heavy,odd"):
        some = Updates.of({"optimizer": parse("optimizer", optimizers)}, known)
        with pytest.raises(BadInput, match=r"^decay has no value; give one"):
            default_values(declared, some, {})


class Good:
    """A problem, as far as its names go."""

    def data(self) -> tuple[()]:
        """No rows."""
        return ()

    def initial(self, seed: int) -> tuple[()]:
        """No parameters."""
        return ()

    def loss_and_gradient(self, params: object, data: object, l2: float = 0.3) -> None:
        """With a hyperparameter."""
