"""What a call is given: what a trial does not have is as the signature has it."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.trainable.functions.inside.given import Given


def by_place(a: Any, b: Any = 2, c: Any = 3, /, d: Any = 4, *, seed: int) -> tuple[Any, ...]:
    return a, b, c, d, seed


def anything(a: Any, **more: Any) -> tuple[Any, ...]:
    return a, more


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"a": 10, "b": 20, "c": 30, "d": 40}, (10, 20, 30, 40, 7)),
        ({"a": 10, "c": 30}, (10, 2, 30, 4, 7)),  # b is not skipped in favour of c
        ({"a": 10, "d": 40}, (10, 2, 3, 40, 7)),
    ],
)
def test_what_a_trial_does_not_have_has_its_default(
    values: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    """Also where parameters have a place and no name."""
    assert Given(values=values, seed=7, stop=lambda: False).call(by_place) == expected


def test_a_function_that_takes_anything_gets_what_there_is() -> None:
    """And nothing in the place of the rest."""
    assert Given(values={"a": 1, "b": 2}, seed=0, stop=lambda: False).call(anything) == (
        1,
        {"b": 2},
    )


def test_what_is_missing_is_pythons_own_error() -> None:
    """It names the parameter."""
    with pytest.raises(TypeError, match="'a'"):
        Given(values={"d": 1}, seed=0, stop=lambda: False).call(by_place)
