"""Runners by name. A new one is a room or a module, a row here, and a recipe that names it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from shoal.trainable.runners.runner import Runner
from shoal.trainable.task import Recipe

RUNNERS: Mapping[str, tuple[str, str]] = {
    "calls": ("shoal.trainable.functions.runner", "Calls"),
    "stacked": ("shoal.trainable.runners.stacked", "Stacked"),
}
"""Name of a runner: (module, class). A module is imported when its runner is needed; the class is
called with the recipe of a search."""


def runner_of(recipe: Recipe) -> Runner:
    """Return a runner of a search's packs."""
    module, name = RUNNERS[recipe.runner]
    made: Runner = getattr(importlib.import_module(module), name)(recipe)
    return made
