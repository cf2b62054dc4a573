"""Short campaigns: searches struck at seeded moments end with what an undisturbed one has."""

from __future__ import annotations

import importlib.util
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def campaign() -> ModuleType:
    """The script beside this file."""
    spec = importlib.util.spec_from_file_location(
        "campaign", Path(__file__).with_name("campaign.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


SHORTER = {
    "SEARCH": ("--trials", "72", "--steps", "800"),
    "NET_SEARCH": ("--trials", "24", "--epochs", "15"),
}
"""What is said anew of a search, which `make soak` does at length: packs enough to be struck."""


@pytest.fixture(scope="module")
def undisturbed(
    campaign: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[tuple[str, ...], Path]]:
    """The words of a search by its name, and the run folder where nothing struck it."""
    made: dict[str, Path] = {}

    def folder(name: str) -> tuple[tuple[str, ...], Path]:
        words: tuple[str, ...] = (*getattr(campaign, name), *SHORTER[name])
        if name not in made:
            made[name] = campaign.undisturbed(tmp_path_factory.mktemp(name), words, "inline")[0]
        return words, made[name]

    return folder


@pytest.mark.parametrize(
    ("search", "names", "most"),
    [
        pytest.param("NET_SEARCH", ["kill-driver", "crash"], 2, marks=pytest.mark.long),
        pytest.param("SEARCH", ["kill-worker", "kill-raylet"], 2, marks=pytest.mark.long),
        pytest.param("NET_SEARCH", ["freeze-driver", "interrupt"], 2, marks=pytest.mark.long),
        ("SEARCH", ["kill-driver", "plant"], 2),
        pytest.param("SEARCH", ["rival", "crash"], 2, marks=pytest.mark.long),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else str(value),
)
def test_strikes_cost_nothing(
    campaign: ModuleType,
    undisturbed: Callable[[str], tuple[tuple[str, ...], Path]],
    tmp_path: Path,
    search: str,
    names: list[str],
    most: int,
) -> None:
    """Each trial once, no row that was read ever changes, and nothing is left running."""
    words, whole = undisturbed(search)
    struck, _ = campaign.harass(tmp_path, names, random.Random(most), whole, most, words)
    assert struck.total() >= 1


@pytest.mark.long
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler: apt-get install gcc")
def test_a_clock_that_jumps_and_a_slow_disk_cost_nothing(
    campaign: ModuleType,
    undisturbed: Callable[[str], tuple[tuple[str, ...], Path]],
    tmp_path: Path,
) -> None:
    """By days, forwards and backwards, while the disk takes its time; with a kill besides."""
    names = ["move-clock", "slow-disk", "kill-driver"]
    words, whole = undisturbed("SEARCH")
    struck, _ = campaign.harass(tmp_path, names, random.Random(1), whole, 3, words)
    assert struck.keys() & {"move-clock", "slow-disk"}


@pytest.mark.long
def test_a_disk_with_the_data_that_goes_and_comes_back_costs_nothing(
    campaign: ModuleType, tmp_path: Path
) -> None:
    """While the search runs, and before it goes on."""
    for name in ("whole", "struck"):
        (tmp_path / name).mkdir()
    whole = campaign.undisturbed(tmp_path / "whole", campaign.DISK_SEARCH, engine="inline")[0]
    struck, _ = campaign.harass(tmp_path / "struck", ["unmount"], random.Random(5), whole, 2)
    assert struck["unmount"] >= 1
