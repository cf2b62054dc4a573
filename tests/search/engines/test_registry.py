"""Engines by name."""

from __future__ import annotations

import importlib

import pytest

from shoal.search.engines.options import RunOptions
from shoal.search.engines.registry import ENGINES
from shoal.search.request.settings import BY_NAME


@pytest.mark.parametrize("name", ENGINES)
def test_each_engine_is_what_its_row_says(name: str) -> None:
    """It has the row's name, and a label for its share of the time."""
    module, kind = ENGINES[name]
    made = getattr(importlib.import_module(module), kind)(RunOptions(engine=name))
    assert made.name == name
    assert made.label


def test_each_engine_can_be_asked_for() -> None:
    """The setting's choices are the engines, and ``auto``."""
    assert set(BY_NAME["engine"].choices) == {"auto", *ENGINES}
