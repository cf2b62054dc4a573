"""What is given to a problem's predict(), and what it may return."""

from __future__ import annotations

from typing import Any

import numpy
import pandas
import pytest
import torch

import shoal
from shoal.search.fits.prediction import predicted_by


class Pair:
    """Takes two columns, in an order that is not the alphabet's."""

    inputs = ("weight", "age")

    def data(self) -> Any:
        return torch.ones(2)

    def initial(self, seed: int) -> Any:
        return {"w": torch.ones(2)}

    def loss(self, params: Any, data: Any) -> Any:
        return (params["w"] * data).sum()

    def predict(self, params: Any, x: torch.Tensor) -> Any:
        assert x.dtype == torch.float32
        return x @ params["w"]


class Both(Pair):
    """Says several things, one of them by numpy."""

    def predict(self, params: Any, x: torch.Tensor) -> Any:
        return {"sum": x.sum(1), "rows": numpy.arange(len(x)), "all": x[:, :, None]}


class Short(Pair):
    """Says something of all rows together."""

    def predict(self, params: Any, x: torch.Tensor) -> Any:
        return x.sum() if len(x) == 1 else x[1:]


class Nameless(Pair):
    """Does not say which columns it takes."""

    inputs = ()


FRAME = pandas.DataFrame({"age": [30, 40], "name": ["a", "b"], "weight": [70.5, 80.0]})


def predicted(x: Any, cls: type = Pair) -> Any:
    """With weights of 1 and 100."""
    return predicted_by(cls, {}, {}, {"w": torch.tensor([1.0, 100.0])}, x)


@pytest.mark.parametrize(
    "x",
    [
        FRAME,
        FRAME[["weight", "age"]].to_numpy(),
        torch.tensor([[70.5, 30.0], [80.0, 40.0]], dtype=torch.float64),
        [[70.5, 30], [80, 40]],
    ],
    ids=["frame", "array", "tensor", "lists"],
)
def test_rows_come_in_the_order_that_the_problem_lists(x: Any) -> None:
    """In the parameters' dtype."""
    assert predicted(x).tolist() == [3070.5, 4080.0]


def test_whole_numbers_and_truth_values_are_numbers() -> None:
    """As columns, and as arrays."""
    frame = pandas.DataFrame({"age": [True, False], "weight": numpy.array([3, 4], numpy.uint8)})
    assert predicted(frame).tolist() == [103.0, 4.0]
    assert predicted(numpy.array([[True, False]])).tolist() == [1.0]


def test_a_number_that_is_missing_stays_so() -> None:
    """It is no zero."""
    frame = pandas.DataFrame({"age": pandas.array([1, None], "Int64"), "weight": [1.0, 2.0]})
    found = predicted(frame)
    assert found[0] == 101.0
    assert numpy.isnan(found[1])


def test_a_dict_is_arrays_by_name() -> None:
    """Of any shape, a row for each."""
    found = predicted(FRAME, Both)
    assert {name: values.shape for name, values in found.items()} == {
        "sum": (2,),
        "rows": (2,),
        "all": (2, 2, 1),
    }
    assert all(isinstance(values, numpy.ndarray) for values in found.values())


@pytest.mark.parametrize(
    ("x", "cls", "told"),
    [
        (numpy.array([["a", "b"]]), Pair, r"^x must be numbers, not <U1$"),
        (numpy.array([[1j, 2j]]), Pair, r"^x must be numbers, not complex128$"),
        (3.0, Pair, r"^x must have rows: its first dimension$"),
        (FRAME[:0], Pair, r"^the input has no rows$"),
        (FRAME[["age"]], Pair, r"^the input has no column 'weight'; Pair takes weight, age$"),
        (FRAME.assign(age=["x", "y"]), Pair, r"^the column 'age' of the input is not all numbers$"),
        (FRAME, Nameless, r"^Nameless does not say which columns it takes; write inputs = \("),
        (FRAME, Short, r"predict.*returns shape \(1, 2\) for 2 rows; rows are the first dimension"),
        (FRAME[:1], Short, r"predict.*: returns shape \(\) for 1 rows; rows are the first"),
        (FRAME, object, r"^object has no predict\(\); add def predict\(self, params, x\)"),
    ],
)
def test_what_cannot_be_predicted_is_told_in_one_line(x: Any, cls: type, told: str) -> None:
    """What is wrong, and what to write."""
    with pytest.raises(shoal.BadInput, match=told) as caught:
        predicted(x, cls)
    assert "\n" not in str(caught.value)
