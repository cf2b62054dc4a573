"""The search: Ray Tune drives it, Optuna samples it, pandas reads it.

import search
result = search.run("cubic-sine", space={"lr": "1e-8:1e-4:log"}, trials=1024, seed=0)
result.best; result.trials; result.curves; result.study()
search.load("runs/mine")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from search.errors import (
    BadInput,
    EngineError,
    Interrupted,
    RunFolderError,
    SearchError,
    SearchFailed,
)

if TYPE_CHECKING:
    from search.api import load, run
    from search.result import Result

__all__ = [
    "BadInput",
    "EngineError",
    "Interrupted",
    "Result",
    "RunFolderError",
    "SearchError",
    "SearchFailed",
    "load",
    "run",
]


def __getattr__(name: str) -> Any:  # torch and pandas take seconds: not before they are needed
    if name in ("load", "run"):
        from search import api

        return getattr(api, name)
    if name == "Result":
        from search.result import Result

        return Result
    raise AttributeError(f"module 'search' has no attribute {name!r}")
