"""A page: what is in its file, and what is not."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy
import pyarrow as pa
import pytest

import shoal
from shoal.search.report.page import Section, document, encoded, table, words
from shoal.search.report.places import Together, at_once
from shoal.search.report.sections import sections

FAILING = """
def train(lr, way="plain"):
    if lr > 0.8:
        raise ValueError("too large: <script>alert(1)</script>")
    yield {"loss": float("inf") if lr > 0.6 else lr}
"""


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> shoal.Result:
    """A search of which some fits diverge, and some fail with an error like HTML."""
    folder = tmp_path_factory.mktemp("failing")
    (folder / "own.py").write_text(FAILING)
    return shoal.run(
        f"{folder}/own.py:train",
        space={"lr": "0:1", "way": "<b>x</b>,plain"},
        trials=16,
        engine="inline",
        out=folder / "run",
    )


def test_the_page_has_every_section_and_text_of_the_user_is_no_markup(
    failing: shoal.Result,
) -> None:
    """Errors, choices and names; and nothing is asked of another address."""
    title = "<i>run</i>"
    made = document(title, sections(failing))
    own = re.sub(r"<script>/\*\*.*?</script>", "", made, flags=re.DOTALL)
    assert len(own) < len(made) - 1_000_000
    assert "<title>&lt;i&gt;run&lt;/i&gt;</title>" in own
    assert "alert(1)" in own
    for markup in ("<script>alert", "<b>x", "<i>run"):
        assert markup not in own
    assert re.findall(r"<h2>(.*?)</h2>", own) == [
        "Found",
        "History",
        "Curves",
        "Hyperparameters",
        "Pairs",
        "Importance",
        "Parallel coordinates",
        "Metrics",
        "Where the time went",
        "Nodes and devices",
        "Failures",
        "How to go on",
        "What was searched",
    ]
    links = re.findall(r"(?:src|href)=['\"]?([^'\">]*)", own)
    assert all(link.startswith("#") or link == "data:," for link in links)
    assert "://" not in own


def test_the_page_says_what_failed_and_how_often(failing: shoal.Result) -> None:
    """One error many times is one line."""
    texts = {each.name: each.html for each in sections(failing)}
    states = failing.states()
    assert states["failed"] > 1
    said = f"{states['failed']} fits failed with an error, {states['diverged']} diverged."
    assert said in texts["failures"]
    first = failing.trials.loc[failing.trials["state"] == "failed", "trial"].min()
    line = f'<td class="number">{states["failed"]}</td><td class="number">{first}</td>'
    assert line in texts["failures"]
    assert f"{failing.best['loss']:.9g}" in texts["found"]
    assert "shoal fit" in texts["on"]


def test_what_stands_in_a_script_cannot_end_it() -> None:
    """And is read as what it was."""
    value = {"a": "</script><!--\u2028", "b": [1, None, True]}
    text = encoded(value)
    assert "<" not in text
    assert "\u2028" not in text
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        encoded(numpy.nan)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u1", "i8", ">f8"])
def test_arrays_are_the_bytes_that_plotly_reads(dtype: str) -> None:
    """Of at most 32 bits where they are whole, and little-endian."""
    array = numpy.arange(6).reshape(2, 3).astype(dtype)
    known = json.loads(encoded(array))
    assert known["dtype"] in ("f4", "f8", "i4", "u1")
    read = numpy.frombuffer(base64.b64decode(known["bdata"]), f"<{known['dtype']}")
    assert read.reshape([int(n) for n in known["shape"].split(",")]).tolist() == array.tolist()


def test_words_and_tables_are_escaped() -> None:
    """Control characters are question marks."""
    assert words('<a href="x">\x1b[31m&') == "&lt;a href=&quot;x&quot;&gt;?[31m&amp;"
    assert "<td>&lt;b&gt;</td>" in table([["<b>", 1]], ["what", "<how>"], 1)


def test_a_section_that_is_empty_says_so(tmp_path: Path) -> None:
    """A search of which no fit has ended has a page."""
    result = shoal.run(
        "cubic-sine", space={"lr": "1e-8:1e-4:log"}, trials=1, steps=2, out=tmp_path / "run"
    )
    trials = result.drawn
    result.drawn = type(trials)(
        trials.request, trials.rows.slice(0, 0), lambda: trials.curves().slice(0, 0), dict
    )
    made = document("empty", sections(result))
    assert made.count("no trial has ended") >= 2
    assert isinstance(Section(name="a", title="b"), Section)


def test_how_many_ran_at_once_is_counted() -> None:
    """Two groups that overlap for half of their time, on one device; one on another."""
    start = numpy.array([0, 0, 2_000_000, 0], "datetime64[us]")
    rows = pa.table(
        {
            "node": ["a"] * 3 + ["b"],
            "device": ["cpu"] * 4,
            "round": [0] * 4,
            "pack": [0, 0, 1, 2],
            "started": pa.array(start).cast(pa.timestamp("us", tz="UTC")),
            "seconds": [1.0, 3.0, 4.0, 6.0],
        }
    )
    groups = Together(rows)
    assert sorted(zip(groups.begin, groups.end, strict=True)) == [(0, 4), (0, 6), (2, 6)]
    figure = at_once(rows)
    (heat,) = figure["data"]
    assert heat["y"] == ["a cpu", "b cpu"]
    third = len(heat["x"]) // 3
    busy = [[row[i * third + third // 2] for i in range(3)] for row in heat["z"]]
    assert numpy.allclose(busy, [[1, 2, 1], [1, 1, 1]], atol=1e-4)
