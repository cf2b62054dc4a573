"""What the project says of itself: versions, bounds and metadata agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import shoal

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
BOUNDED = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["data"]]
"""What users install."""


def pinned(name: str) -> dict[str, str]:
    """The packages of a file of constraints, each with its version."""
    text = (ROOT / name).read_text("utf-8")
    found = re.findall(r"^([\w-]+)==(\S+)$", text, flags=re.MULTILINE)
    return {package.replace("_", "-"): version for package, version in found}


def read(name: str) -> Any:
    """A file of YAML."""
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def numbers(version: str) -> tuple[int, ...]:
    """A version to compare."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def test_the_lowest_versions_are_those_that_the_project_allows() -> None:
    """constraints-lowest.txt has each lower bound of pyproject.toml, and nothing else."""
    needed = (re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", one) for one in BOUNDED)
    assert pinned("constraints-lowest.txt") == {one[1]: one[2] for one in needed if one}


@pytest.mark.parametrize("one", BOUNDED)
def test_the_tested_version_is_within_the_bounds(one: str) -> None:
    """Of each dependency constraints.txt has a version that pyproject.toml allows."""
    named = re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)(?:,<([\d.]+))?$", one)
    assert named is not None
    tested = numbers(pinned("constraints.txt")[named[1]])
    assert numbers(named[2]) <= tested
    assert named[3] is None or tested < numbers(named[3])


def test_the_pythons_are_those_that_are_tested() -> None:
    """The classifiers, the lowest one, and those of the workflow."""
    told = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if "Python :: 3." in c]
    jobs = read(".github/workflows/test.yml")["jobs"]
    assert jobs["tested-versions"]["strategy"]["matrix"]["python"] == told
    (lowest,) = (s["with"] for s in jobs["lowest-versions"]["steps"] if "with" in s)
    assert PROJECT["requires-python"] == f">={lowest['python-version']}" == f">={told[0]}"
    for job in jobs.values():
        (command,) = (step["run"] for step in job["steps"] if "run" in step)
        assert command.endswith(" .ci/run")


def test_the_citation_is_of_this_version() -> None:
    """CITATION.cff, pyproject.toml and the package agree."""
    citation = read("CITATION.cff")
    assert citation["version"] == PROJECT["version"] == shoal.__version__
    assert citation["authors"] == PROJECT["authors"]


def test_the_hooks_are_the_checks() -> None:
    """What runs before a commit is what ``make check`` runs."""
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    hooks = {hook["entry"].removeprefix(".venv/bin/") for hook in repository["hooks"]}
    makefile = (ROOT / "Makefile").read_text("utf-8")
    check = makefile.partition("\ncheck:")[2].partition("\n\n")[0]
    steps = re.findall(r"\t\$\(BIN\)/(.*)", check)
    assert {re.sub(r" --check| \.$", "", step) for step in steps} == hooks
