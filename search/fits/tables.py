"""Files that are read and written beside a run folder: tables of rows, and parameters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.search import newfile
from shoal.search.errors import BadInput
from shoal.search.fits.chosen import Chosen
from shoal.search.fits.prediction import Predicted
from shoal.search.folder import One

if TYPE_CHECKING:
    import pandas

PARQUET, CSV = (".parquet", ".pq"), (".csv",)


def read_table(file: Path) -> pandas.DataFrame:
    """Return the rows of a parquet or CSV file.

    Raises:
        BadInput: it is none, or cannot be read.
    """
    import pandas

    _kind(file)
    try:
        if file.suffix in CSV:
            return pandas.read_csv(file)
        return pandas.read_parquet(file)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise BadInput(f"{file} does not exist") from error
        raise BadInput(f"cannot read {file}: {error.strerror or error}") from error
    except Exception as error:  # pandas and arrow have many words for it
        raise BadInput(f"cannot read {file}: {error}") from error


def write_table(file: Path, made: Predicted) -> None:
    """Write what was predicted: a row for each row, in a column ``prediction``, or in one of that
    name and a number for each of several, or in the columns of a dict.

    Raises:
        BadInput: the file is there, or cannot be written.
    """
    import pandas

    columns: dict[str, Any] = {}
    for name, values in (made if isinstance(made, dict) else {"prediction": made}).items():
        flat = values.reshape(len(values), -1)
        if values.ndim == 1:
            columns[name] = values
        else:
            columns.update({f"{name}_{i}": flat[:, i] for i in range(flat.shape[1])})
    frame = pandas.DataFrame(columns)
    check_new(file)
    if file.suffix in CSV:
        newfile.written(file, lambda beside: frame.to_csv(beside, index=False))
    else:
        newfile.written(file, lambda beside: frame.to_parquet(beside, index=False))


def saved(file: Path, one: One, fit: Chosen) -> None:
    """Write fitted parameters as safetensors.

    Raises:
        BadInput: the file is there, or cannot be written.
    """
    check_new(file)
    content = one.to_bytes(fit.trial, fit.replicate, fit.fold or 0)
    newfile.written(file, lambda beside: beside.write_bytes(content))


def check_new(file: Path | None, table: bool = False) -> None:
    """Check that a file can be made.

    Args:
        table: whether it is to be a parquet or CSV file.

    Raises:
        BadInput: it is there already, or has no folder, or another name than a table's.
    """
    if file is None:
        return
    if table:
        _kind(file)
    newfile.check_new(file)


def _kind(file: Path) -> None:
    if file.suffix not in (*PARQUET, *CSV):
        raise BadInput(f"{file} must end in {PARQUET[0]} or {CSV[0]}")
