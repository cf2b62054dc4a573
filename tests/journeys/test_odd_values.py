"""Wrong types and values in ``search.toml``, ``digests.json`` and a config: one line each."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import tomli_w

import shoal
from shoal.search.command.main import main
from shoal.search.folder import ledger
from shoal.search.folder.reader import RunFolder
from shoal.search.preparation.preparation import prepare
from shoal.search.request.asked import Asked
from shoal.search.request.request import Request

GOOD: dict[str, Any] = {
    "format": 4,
    "problem": "p.py:P",
    "source": "ab",
    "sampler": "random",
    "trials": 4,
    "replicates": 1,
    "steps": 5,
    "report": 1,
    "seed": 0,
    "round": 4,
    "pack": 4,
    "block": 4,
    "program": "compiled",
    "unroll": 1,
    "lane_seconds": 0.1,
    "diverge_factor": 1000.0,
    "halved": [[1, 2]],
    "files": [{"module": "p", "original": "/x/p.py", "copy": "p.py", "sha256": "ab"}],
    "settled": {
        "compiler": "c",
        "flags": "f",
        "programs": [{"program": "eager", "shape": {"optimizer": "sgd"}}],
    },
    "space": {"lr": "1e-3:1e-1:log"},
}
GONE = object()
ODD = [
    GONE,
    0,
    -1,
    10**30,
    True,
    1.5,
    math.nan,
    math.inf,
    "",
    "x",
    "\x1b[2J",
    "../x",
    "/x",
    "a\0b",
    [],
    [1],
    [[1]],
    ["x"],
    {},
    {"a": 1},
    {"a": "b"},
    [[]],
    [{}],
    "1:" * 50,
    [[[[]]]],
]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to every value within."""
    if at:
        yield at
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*at, key))


def changed(at: tuple[Any, ...], odd: object) -> dict[str, Any]:
    """What ``search.toml`` says, with one value replaced."""
    whole = copy.deepcopy(GOOD)
    inner: Any = whole
    for key in at[:-1]:
        inner = inner[key]
    if odd is GONE:
        del inner[at[-1]]
    else:
        inner[at[-1]] = odd
    return whole


@pytest.mark.parametrize("at", list(places(GOOD)), ids=lambda at: ".".join(map(str, at)))
def test_each_value_of_a_search_is_read_as_what_it_must_be_or_refused(at: tuple[Any, ...]) -> None:
    """Replaced by anything else it is a search that can be written again, or bad input."""
    for odd in ODD:
        try:
            request = Request.from_dict(changed(at, odd))
        except shoal.BadInput:
            continue
        assert Request.from_dict(request.as_dict()).mark == request.mark
        assert isinstance(request.problem, str)
        assert isinstance(request.source, str)
        assert all(isinstance(pair, tuple) and len(pair) == 2 for pair in request.halved)
        assert all(isinstance(text, str) for file in request.files for text in vars(file).values())
        assert not any(file.copy.startswith(("/", "..")) for file in request.files)
        assert isinstance(request.settled.compiler, str)
        assert 0 <= request.lane_seconds < math.inf


def made(folder: Path, plain: dict[str, Any]) -> Path:
    """A run folder whose ``search.toml`` fits its digest."""
    folder.mkdir()
    text = tomli_w.dumps(plain).encode()
    (folder / "search.toml").write_bytes(text)
    digests = {"search.toml": [hashlib.sha256(text).hexdigest()]}
    (folder / "digests.json").write_text(json.dumps(digests))
    return folder


@pytest.mark.parametrize(
    ("at", "odd", "line"),
    [
        (("problem",), 5, "problem must be text, not 5"),
        (("space",), "x", "space: must be a table of names and values, not 'x'"),
        (("halved",), [[1, 0]], "halved: must be pairs of a round and a block"),
        (("files", 0, "copy"), "../x", "files: '../x' is no place of a copy"),
        (("steps",), GONE, "missing 1 required keyword-only argument: 'steps'"),
        (("settled",), 3, "settled: "),
    ],
)
def test_a_damaged_search_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], at: tuple[Any, ...], odd: object, line: str
) -> None:
    """With its file's name; reading and going on."""
    out = made(tmp_path / "out", changed(at, odd))
    for words in (["results", str(out)], ["run", "--out", str(out)]):
        with pytest.raises(SystemExit, match="1"):
            main.main(args=words)
        told = capsys.readouterr().err
        assert told.startswith(f"shoal: {out}/search.toml is damaged: ")
        assert line in told
        assert told.count("\n") == 1


def test_digests_of_any_form_are_read_or_refused(tmp_path: Path) -> None:
    """Any JSON, and what is none."""
    out = made(tmp_path / "out", GOOD)
    RunFolder.open(out)
    for odd in [value for value in ODD if value is not GONE]:
        for held in (odd, {"search.toml": odd}, {"search.toml": [odd]}):
            (out / "digests.json").write_text(json.dumps(held))
            try:
                digests = ledger.read(out)
            except shoal.RunFolderError:
                continue
            assert all(isinstance(d, str) for both in digests.values() for d in both)
    with pytest.raises(shoal.RunFolderError, match=r"search\.toml is damaged: it is not what"):
        RunFolder.open(out)


NO_NUMBER: list[Any] = ["x", "", [], [1], {}, {"a": 1}, True, 1.5, math.nan, -1, 10**30]
NO_WORD: list[Any] = [0, 1.5, True, [], ["x"], {}, math.nan]
WRONG: dict[str, list[Any]] = {
    "trials": NO_NUMBER,
    "replicates": NO_NUMBER,
    "steps": NO_NUMBER,
    "epochs": NO_NUMBER,
    "report": NO_NUMBER,
    "round": NO_NUMBER,
    "pack": NO_NUMBER,
    "block": NO_NUMBER,
    "seed": NO_NUMBER,
    "problem": NO_WORD,
    "sampler": NO_WORD,
    "program": NO_WORD,
    "objective": [*NO_WORD, "", "a b", "loss:best", "nonsense"],
    "select": [*NO_WORD, "first"],
    "patience": NO_NUMBER,
    "folds": [*NO_NUMBER, 0, 2],
    "keep": NO_NUMBER,
    "exec": [*NO_WORD, "", "a 'b"],
    "read": [0, 1.5, True, ["x"], {"a": 1}, "loss", "=x", "loss=(", "loss=x"],
    "cpus": NO_NUMBER,
    "gpus": ["x", "", [], {}, True, math.nan, -1, math.inf],
    "diverge_factor": ["x", [], {}, True, math.nan, 0.5, 10**400],
    "pruner": [*NO_WORD, "", "nonsense", "halving:factor=1", "halving:factor", "halving:x=1"],
    "stop_when": [
        0,
        1.5,
        True,
        {},
        [1],
        "",
        "x",
        "stalled",
        "stalled:0",
        "below:x",
        ["below:1", "x"],
    ],
    "max_updates": ["x", "", [], {}, True, 1.5, -1, math.nan, math.inf],
    "tries": [0, 1.5, True, "x", {"a": 1}, ["x"], [0], [[]], [{"nowhere": 1}], [{"lr": "x"}]],
    "from_": [0, 1.5, True, {"a": 1}, [0], [[]], "nowhere", ["nowhere"]],
    "space": [0, "x", [], ["lr"], {"lr": {}}, {"lr": [[]]}, {"lr": math.nan}, {"": 1}, {"a b": 1}],
}


@pytest.mark.parametrize("key", [each.name for each in fields(Asked)])
def test_each_setting_of_a_config_is_refused_in_one_line_if_it_is_of_another_kind(key: str) -> None:
    """As TOML, Python and the command line give it."""
    for odd in WRONG[key]:
        with pytest.raises(shoal.BadInput, match=r"\w") as refused:
            prepare(Asked.of({key: odd}), None)
        assert len(str(refused.value)) < 500
