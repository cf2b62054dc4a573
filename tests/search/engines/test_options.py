"""Which engine a search runs on, by its arguments alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from shoal.search.engines.options import COMPILED_INLINE_SECONDS, INLINE_SECONDS, RunOptions
from shoal.search.machine import cores
from shoal.search.preparation.preparation import prepare
from shoal.search.request.asked import Asked
from shoal.search.request.request import Request


@pytest.fixture(scope="module")
def request_() -> Request:
    """The default search."""
    return prepare(Asked.of({}), None).request


def taking(request: Request, seconds: float, program: str) -> Request:
    """A search of so many seconds of a core."""
    return replace(request, program=program, lane_seconds=seconds / request.lanes)


def test_small_searches_need_no_ray(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray takes longer to start than they take; what is compiled has all cores without it."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    cases: list[tuple[dict[str, Any], float, str, str]] = [
        ({}, INLINE_SECONDS * 0.99, "eager", "inline"),
        ({}, INLINE_SECONDS * 1.01, "eager", "ray"),
        ({}, COMPILED_INLINE_SECONDS * 0.99, "compiled", "inline"),
        ({}, COMPILED_INLINE_SECONDS * 1.01, "compiled", "ray"),
        ({"workers": 2}, INLINE_SECONDS * 0.99, "eager", "inline"),
        ({"workers": 2}, INLINE_SECONDS * 1.01, "eager", "ray"),
        ({"workers": 2}, 1.0, "compiled", "inline"),
        ({"address": "127.0.0.1:1"}, 1.0, "compiled", "ray"),
        ({"engine": "ray"}, 1.0, "compiled", "ray"),
        ({"engine": "inline"}, 1000.0, "eager", "inline"),
    ]
    for given, seconds, program, engine in cases:
        assert RunOptions(**given).choose(taking(request_, seconds, program)) == engine, (
            given,
            program,
        )
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    assert RunOptions().choose(taking(request_, 1.0, "compiled")) == "ray"


@pytest.mark.parametrize(
    ("trials", "engine"), [(64, "inline"), (1024, "inline"), (32768, "inline"), (300_000, "ray")]
)
def test_what_the_default_problem_is_run_on(
    trials: int, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the count of its operations: half a millisecond a trial."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert RunOptions().choose(prepare(Asked.of({"trials": trials}), None).request) == engine


def test_a_device_is_for_ray(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker has a GPU of its own there."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert RunOptions().choose(taking(request_, 1.0, "compiled")) == "ray"


def test_threads_are_for_what_is_compiled(request_: Request) -> None:
    """Eager operations are too short to run beside each other in one Python."""
    assert RunOptions().threads(taking(request_, 1.0, "compiled")) == min(cores(), 16)
    assert RunOptions().threads(taking(request_, 1.0, "eager")) == 1
    assert RunOptions(workers=3).threads(taking(request_, 1.0, "eager")) == 3
