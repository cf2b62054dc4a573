"""Random arguments: a search that ends, or one line; never a traceback."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import shoal
from shoal.search.command.main import main

ODD = [
    "",
    "0",
    "-1",
    "nan",
    "inf",
    "1e400",
    "1e-400",
    "9" * 30,
    "9" * 400,
    "x",
    "1.5",
    "½",
    "²",
    "٣",
    "a\nb",
    "\x1b[2J",
    "'",
    "--",
    "-",
    ":",
    ",",
    "=",
    "1:2",
    "a" * 300,
    "..",
    "/",
    "/dev/null",
    " 1 ",
]
"""Values that are wrong nearly everywhere."""

GOOD: dict[str, list[str]] = {
    "--space": [
        "lr=1e-8:1e-4:log",
        "lr=1e-6",
        "lr=0:1e-5",
        "optimizer=sgd,adam",
        "momentum=0:0.9",
        "lr=-1e308:1e308",
        "lr=1:" + "9" * 400,
        "lr=" + "9" * 400,  # too large, each in its way
    ],
    "--trials": ["1", "3"],
    "--steps": ["1", "4"],
    "--seed": ["0", "7", "2147483647"],
    "--sampler": ["tpe", "qmc", "random"],
    "--replicates": ["1", "2"],
    "--report": ["1", "100"],
    "--round": ["1", "2"],
    "--pack": ["1", "64"],
    "--block": ["1", "64"],
    "--diverge-factor": ["1.5", "inf"],
    "--config": ["good.toml", "bad.toml"],
    "--out": ["new", "a/b", "there"],
    "--workers": ["1"],
    "--checkpoint": ["off", "5m", "0.01"],
    "--time-budget": ["90s", "1h30m"],
}


texts = st.text(max_size=6).filter(lambda text: not set(text) & {"\0", "/"})
"""Nothing that is outside of the folder stood in."""


def options() -> st.SearchStrategy[list[str]]:
    """One option with a value, which is good two times of three."""
    return st.sampled_from([*sorted(GOOD), *["--space"] * 8]).flatmap(
        lambda flag: st.one_of(
            *[st.sampled_from(GOOD[flag])] * 2,
            st.one_of(st.sampled_from(ODD), texts),
        ).map(lambda value: [flag, value])
    )


problems = st.one_of(
    st.sampled_from([[], ["cubic-sine"], ["legendre-sine"], ["nonsense"], ["sys:A"], [".py:A"]]),
    texts.map(lambda text: [text]),
)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` and its content; folders have none."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config, what is none, and a run folder."""
    folder = tmp_path_factory.mktemp("stage")
    (folder / "good.toml").write_text('problem = "cubic-sine"\n[space]\nlr = 1e-6\n')
    (folder / "bad.toml").write_text("[")
    shoal.run(trials=2, steps=2, out=folder / "there", engine="inline")
    return folder


SMALL = ["--engine", "inline", "--quiet", "--trials", "2", "--steps", "2"]


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(problem=[], chosen=[["--space", "lr=-1e308:1e308"]])
@example(problem=[], chosen=[["--space", "lr=1:" + "9" * 400]])
@example(problem=[], chosen=[["--trials", "9" * 30]])
@example(problem=[], chosen=[["--out", "a" * 300]])
@example(problem=["sys:A"], chosen=[])
@given(problem=problems, chosen=st.lists(options(), max_size=4))
def test_no_command_line_gives_a_traceback(
    stage: Path, capfd: pytest.CaptureFixture[str], problem: list[str], chosen: list[list[str]]
) -> None:
    """Exit code 0, or 2 with one line on standard error and nothing made or changed."""
    words = [word for option in chosen for word in option]
    with tempfile.TemporaryDirectory() as name, chdir(name):
        shutil.copytree(stage, ".", dirs_exist_ok=True)
        before = tree(Path())
        with pytest.raises(SystemExit, match=r"^(0|2)$") as ended:
            main.main(args=["run", *SMALL, *words, *problem])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        if ended.value.code == 0:
            # a budget counts from the start of the process, which here has run for long
            assert out.startswith("best ") or "--time-budget" in words
        else:
            assert err.startswith("shoal: ")
            assert err.count("\n") == 1
            assert err[:-1].isprintable()
            assert out == ""
            assert tree(Path()) == before


values: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.binary(max_size=2),
    st.text(max_size=5).filter(lambda text: "/" not in text),
    st.sampled_from([[], {}, [None], 10**400, float("nan"), "5m", "off", "tpe", "a\0b", "inline"]),
)
ARGUMENTS: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
    "problem": lambda: values,
    "space": lambda: st.one_of(
        values, st.dictionaries(st.sampled_from(["lr", "optimizer", "momentum", "loss"]), values)
    ),
    # a good number here is a search of that size: the random ones are wrong or small
    "trials": lambda: st.one_of(st.integers(max_value=3), values.filter(_not_large)),
    "steps": lambda: st.one_of(st.integers(max_value=3), values.filter(_not_large)),
    "replicates": lambda: st.one_of(st.integers(max_value=2), values.filter(_not_large)),
    **dict.fromkeys(
        [
            "seed",
            "sampler",
            "report",
            "round",
            "pack",
            "block",
            "diverge_factor",
            "workers",
            "checkpoint",
            "out",
        ],
        lambda: values,
    ),
}


def _not_large(value: Any) -> bool:
    return not (isinstance(value, int) and 3 < value < 2**31)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.data(), names=st.sets(st.sampled_from(sorted(ARGUMENTS)), min_size=1, max_size=4))
def test_no_call_raises_anything_but_a_bad_input(
    stage: Path, data: st.DataObject, names: set[str]
) -> None:
    """`shoal.run` gives a whole result, or raises a BadInput of one line and makes nothing."""
    given = {name: data.draw(ARGUMENTS[name](), label=name) for name in sorted(names)}
    with tempfile.TemporaryDirectory() as place, chdir(place):
        shutil.copytree(stage, ".", dirs_exist_ok=True)
        before = tree(Path())
        try:
            result = shoal.run(**{"trials": 2, "steps": 2, "engine": "inline", **given})
        except shoal.BadInput as error:
            assert str(error).isprintable()  # noqa: PT017 - one of two good ends
            assert tree(Path()) == before
        else:
            assert len(result.trials) == result.asked
            assert os.path.isdir(result.path)
