"""A new file: whole in its place or not there, and never in the place of another."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from shoal.search.errors import BadInput


def check_new(file: Path) -> None:
    """Check that a file can be made.

    Raises:
        BadInput: it is there already, or has no folder.
    """
    if os.path.lexists(file):
        raise BadInput(f"{file} is there already; choose another name, or remove it")
    if not file.absolute().parent.is_dir():
        raise BadInput(f"cannot write {file}: there is no folder {file.parent}")


def written(file: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole beside its place and link it there, where nothing must be.

    Args:
        write: makes the file that it is given; its name ends as that of `file` does.

    Raises:
        BadInput: the file is there, or cannot be written.
    """
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}{file.suffix}")
    try:
        write(beside)
        try:
            os.link(beside, file)
        except FileExistsError:
            raise
        except OSError:  # a disk without links
            beside.rename(file)
    except FileExistsError as error:
        raise BadInput(f"{file} is there already; choose another name, or remove it") from error
    except OSError as error:
        raise BadInput(f"cannot write {file}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            beside.unlink()
