"""Where the user stands: a problem's code may move the process to another folder."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def standing() -> Path | None:
    """The folder in which the process is; None where it is gone."""
    with suppress(OSError):
        return Path.cwd()
    return None


def return_to(began: Path | None) -> None:
    """Stand again where the user stood, if that was a folder and is one."""
    with suppress(OSError):
        if began is not None and standing() != began:
            os.chdir(began)
