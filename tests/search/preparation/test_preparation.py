"""A search that is asked for again is the one that its run folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shoal.search.errors import BadInput
from shoal.search.folder import create
from shoal.search.preparation import prepare
from shoal.search.request import Asked

ALONE = """
import torch


class Alone:
    space = {"lr": "1e-3:1e-1:log"}

    def data(self):
        return torch.linspace(0, 1, 10)

    def initial(self, seed):
        return (torch.ones(()),)

    def loss(self, params, data):
        found = ((params[0] * data - 1) ** 2).sum()
        return found if found > 1 else found * 2
"""
"""A problem that cannot be stacked, so that its blocks have one fit."""

MANY = 10**6
"""More than a small search has of anything."""


@pytest.mark.parametrize(
    ("problem", "size", "other"),
    [
        ("cubic-sine", "round", 1),
        ("cubic-sine", "pack", 1),
        ("cubic-sine", "block", 1),
        ("cubic-sine", "report", 1),
        ("cubic-sine", "keep", 1),
        ("alone.py:Alone", "block", None),
    ],
)
def test_a_size_larger_than_the_search_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str, size: str, other: int | None
) -> None:
    """The folder says what there is of it; the same command goes on, and another does not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alone.py").write_text(ALONE)
    asked = {"problem": problem, "trials": 6, "steps": 8, "replicates": 2, "program": "eager"}
    new = prepare(Asked.of({**asked, size: MANY}), None)
    create(tmp_path / "out", new.request, new.source)
    new.source.release()
    prepare(Asked.of({**asked, size: MANY}), tmp_path / "out").source.release()
    if other is not None:
        with pytest.raises(BadInput, match=f"holds another search .{size} is "):
            prepare(Asked.of({**asked, size: other}), tmp_path / "out")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"tries": [{"lr": 1.0}]}, "is not in the space: lr is"),
        ({"tries": [{"lr": 1e-6}] * 2 + [{"lr": 2e-6}], "trials": 1}, "give --trials 2 or more"),
        ({"from": ["nowhere"]}, "nowhere"),
        ({"sampler": "optuna.samplers.NoneSampler"}, "NoneSampler"),
    ],
)
def test_what_does_not_depend_on_programs_is_refused_before_any_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], said: str
) -> None:
    """Known points, folders and samplers: a net's kernels would take half a minute."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delattr("shoal.search.preparation.beginning.programs_of")
    with pytest.raises(BadInput, match=said):
        prepare(Asked.of({"problem": "cubic-sine", "trials": 4, **asked}), None)
