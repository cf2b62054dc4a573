"""What a fitted model says of new rows: the problem's own ``predict``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy
import torch
from numpy.typing import NDArray

from shoal.search.errors import BadInput
from shoal.search.fits.chosen import Chosen, tensors_of
from shoal.search.folder import One, RunFolder
from shoal.search.preparation import source_of
from shoal.search.process import own_settings
from shoal.trainable.errors import TrainableError
from shoal.trainable.losses import Loss, OfModule, loss_of
from shoal.trainable.problems import (
    MODULE,
    Calls,
    Params,
    hyperparameters,
    instance_of,
)

Predicted = NDArray[Any] | dict[str, NDArray[Any]]


@own_settings()
def predict(folder: RunFolder, fit: Chosen, one: One, x: Any, trust: bool = False) -> Predicted:
    """Return what ``predict(params, x)`` of the folder's problem returns, as arrays.

    Args:
        one: the fitted parameters, and what the problem has prepared.
        x: rows: a tensor, an array, or a DataFrame with the columns that the problem lists.
        trust: whether the code of the folder may be another user's.

    Raises:
        BadInput: the problem has no ``predict``, or a column is missing, or it fails.
    """
    source = source_of(folder, named=False, trust=trust, runs=True)
    try:
        cls = source.load()
        held = tensors_of(one.prepared), tensors_of(one.named)
        return predicted_by(cls, shape_of(cls, fit), *held, x)
    except TrainableError as error:
        raise BadInput(str(error)) from error
    finally:
        source.release()


@own_settings()
def model(folder: RunFolder, fit: Chosen, one: One, trust: bool = False) -> torch.nn.Module:
    """Return the folder's module with the parameters of a fit, in evaluation mode.

    Args:
        one: the fitted parameters, and what the problem has prepared.
        trust: whether the code of the folder may be another user's.

    Raises:
        BadInput: the problem has no module.
    """
    source = source_of(folder, named=False, trust=trust, runs=True)
    try:
        cls = source.load()
        held = tensors_of(one.prepared), tensors_of(one.named)
        loss, params = loaded(cls, shape_of(cls, fit), *held)
        if not isinstance(loss, OfModule):
            raise BadInput(
                f"{cls.__name__} has no module(); result.parameters() has the fitted parameters, "
                "and result.predict() calls predict() with them"
            )
        return loss.loaded(params)
    except TrainableError as error:
        raise BadInput(str(error)) from error
    finally:
        source.release()


def shape_of(cls: type, fit: Chosen) -> dict[str, Any]:
    """Return the shape hyperparameters of a fit."""
    names = hyperparameters(cls).shape
    return {name: fit.row[name] for name in names if fit.row.get(name) is not None}


def loaded(
    cls: type,
    shape: Mapping[str, Any],
    prepared: Mapping[str, torch.Tensor],
    named: Mapping[str, torch.Tensor],
) -> tuple[Loss, Params]:
    """Return the loss of a problem, and fitted parameters as that takes them.

    Args:
        shape: the constructor's arguments; prepared: what ``prepare()`` has returned.
        named: the fitted parameters.
    """
    loss = loss_of(instance_of(cls, shape, prepared), hyperparameters(cls))
    return loss, loss.params(named)


def predicted_by(
    cls: type,
    shape: Mapping[str, Any],
    prepared: Mapping[str, torch.Tensor],
    named: Mapping[str, torch.Tensor],
    x: Any,
) -> Predicted:
    """Return what a problem's ``predict``, or else its module, makes of rows, as arrays.

    Args:
        shape, prepared, named: as `loaded` takes them.
        x: rows: a tensor, an array, or a DataFrame with the columns that the problem lists.

    Raises:
        BadInput: the problem has no ``predict``, or a column is missing, or it fails.
    """
    if not hasattr(cls, "predict") and not hasattr(cls, MODULE):
        raise BadInput(
            f"{cls.__name__} has no predict(); add def predict(self, params, x) to the problem "
            "of a new search"
        )
    method = "predict" if hasattr(cls, "predict") else MODULE
    try:
        loss, params = loaded(cls, shape, prepared, named)
        dtype = next(iter(named.values())).numpy().dtype
        rows = torch.from_numpy(_rows(x, cls, dtype))
        with torch.no_grad():
            made = Calls(cls).guard(method, lambda: loss.predicted(params, rows))
    except TrainableError as error:
        raise BadInput(str(error)) from error
    if isinstance(made, dict):
        return {str(name): _array(cls, value, len(rows)) for name, value in made.items()}
    return _array(cls, made, len(rows))


def _rows(x: Any, cls: type, dtype: Any) -> NDArray[Any]:
    """The rows as an array in the parameters' dtype.

    Raises:
        BadInput: a column is missing or holds no numbers.
    """
    if hasattr(x, "columns"):
        x = _columns(x, cls)
    array = numpy.asarray(x)
    if array.dtype.kind not in "fiub":
        raise BadInput(f"x must be numbers, not {array.dtype}")
    if not array.ndim:
        raise BadInput("x must have rows: its first dimension")
    return array.astype(dtype, order="C")  # by columns, a product has other last digits


def _columns(table: Any, cls: type) -> NDArray[Any]:
    """The columns of a DataFrame that the problem lists, side by side, as float64."""
    wanted = getattr(cls, "inputs", None)
    if not isinstance(wanted, (tuple, list)) or not wanted:
        raise BadInput(
            f'{cls.__name__} does not say which columns it takes; write inputs = ("age", "height") '
            "in the class of a new search, in the order of x's columns, or give result.predict an "
            "array"
        )
    if not len(table):
        raise BadInput("the input has no rows")
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise BadInput(
            f"the input has no column {missing[0]!r}; {cls.__name__} takes {', '.join(wanted)}"
        )
    for name in wanted:
        if table[name].dtype.kind not in "fiub":
            raise BadInput(f"the column {name!r} of the input is not all numbers")
    array: NDArray[Any] = table[list(wanted)].to_numpy(dtype="float64", na_value=numpy.nan)
    return array


def _array(cls: type, value: Any, rows: int) -> NDArray[Any]:
    array = value.numpy() if isinstance(value, torch.Tensor) else numpy.asarray(value)
    if not array.ndim or len(array) != rows:
        raise BadInput(
            f"{Calls(cls).where('predict')}: returns shape {array.shape} for {rows} rows; rows are "
            "the first dimension"
        )
    return array
