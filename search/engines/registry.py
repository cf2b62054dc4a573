"""Engines by name. A new one is a module, a row here, and a choice of the setting ``engine``."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from shoal.search.engines.engine import Engine
from shoal.search.engines.options import RunOptions
from shoal.search.request import Request

ENGINES: Mapping[str, tuple[str, str]] = {
    "inline": ("shoal.search.engines.threads", "Threads"),
    "ray": ("shoal.search.engines.ray_tune.engine", "RayTune"),
}
"""Name of an engine: (module, class). A module is imported when its engine is chosen, since Ray
takes seconds; the class is called with the options of the run."""


def engine_of(options: RunOptions, request: Request) -> Engine:
    """Return the engine of a search: the one asked for, or one chosen from the arguments."""
    module, name = ENGINES[options.choose(request)]
    made: Engine = getattr(importlib.import_module(module), name)(options)
    return made
