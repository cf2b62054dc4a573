"""How a search would be run: what `explain` tells is what the search then does."""

from __future__ import annotations

from pathlib import Path

import pytest

import shoal
from shoal.search.errors import BadInput
from shoal.search.explaining import explain, measuring
from shoal.search.request import Asked

PLAIN = """
import torch


class Plain:
    space = {"lr": "1e-3:1e-1:log", "width": [2, 3]}

    def __init__(self, width=2):
        self.width = width

    def data(self):
        return torch.linspace(0, 1, 60).reshape(20, 3)

    def validation(self):
        return torch.linspace(0, 2, 60).reshape(20, 3)

    def initial(self, seed):
        return (torch.ones(3, self.width),)

    def loss(self, params, data):
        return ((data @ params[0]) ** 2).mean()

    def metrics(self, params, validation):
        return {"first": (validation @ params[0])[:, 0].sum()}
"""

SORTS = PLAIN.replace("** 2).mean()", "** 2).sort(0)[0].mean()").replace("[:, 0].sum()", ".sum()")
BY_METRICS = PLAIN.replace("[:, 0].sum()", "[:, 0].sort()[0][0]")
SINGLY = PLAIN.replace(
    "        return ((data", "        params[0].detach().sum().item()\n        return ((data"
)


def problem(folder: Path, text: str) -> str:
    """Write a problem; return how it is named."""
    (folder / "mine.py").write_text(text)
    return f"{folder / 'mine.py'}:Plain"


def line(text: str, of: str) -> int:
    """The number of the line in which something stands."""
    (number,) = (i for i, line in enumerate(text.splitlines(), 1) if of in line)
    return number


def test_each_shape_is_told_as_it_is_run(tmp_path: Path) -> None:
    asked = {"problem": problem(tmp_path, PLAIN), "trials": 2000, "steps": 2000}
    told = explain(Asked.of({**asked, "program": "compiled"}))
    assert [each.shape["width"] for each in told.shapes] == [2, 3]
    for each in told.shapes:
        assert (each.kind, each.metrics) == ("kernel", "kernel")
        assert (each.why, each.why_metrics, each.measured) == ("", "", None)
        assert each.operations > 3
        assert each.numbers > 60
    small = explain(Asked.of({**asked, "trials": 4, "steps": 10}))
    assert {each.kind for each in small.shapes} == {"eager"}
    assert not list(tmp_path.glob("runs")), "no run folder is made"


def test_what_is_no_kernel_is_told_with_the_users_line(tmp_path: Path) -> None:
    told = explain(Asked.of({"problem": problem(tmp_path, SORTS), "trials": 4, "steps": 10}))
    for each in told.shapes:
        assert each.kind == "eager"
        assert each.why == f"sort has no fused operator (mine.py:{line(SORTS, 'sort')})"
        assert each.why_metrics == ""
    assert told.notes == (
        f"it cannot be fused: {told.shapes[0].why}; it runs uncompiled, which is slower",
    )


def test_calls_of_torch_between_kernels_are_told(tmp_path: Path) -> None:
    """Each with its line."""
    asked = {"problem": problem(tmp_path, SORTS), "trials": 4, "steps": 10}
    told = explain(Asked.of({**asked, "program": "compiled"}))
    why = f"sort has no fused operator (mine.py:{line(SORTS, 'sort')})"
    for each in told.shapes:
        assert each.kind == "pieces"
        assert each.why == each.calls[0] == why


def test_a_search_says_the_same(tmp_path: Path) -> None:
    said = list[str]()

    class Told(shoal.Observer):
        def say(self, message: str) -> None:
            said.append(message)

    shoal.run(
        problem(tmp_path, SORTS),
        trials=4,
        steps=10,
        out=tmp_path / "run",
        engine="inline",
        observers=[Told()],
    )
    assert any(f"(mine.py:{line(SORTS, 'sort')})" in message for message in said), said


def test_metrics_are_told_apart(tmp_path: Path) -> None:
    name = problem(tmp_path, BY_METRICS)
    told = explain(Asked.of({"problem": name, "trials": 4, "steps": 10, "program": "compiled"}))
    for each in told.shapes:
        assert (each.kind, each.metrics, each.why) == ("kernel", "eager", "")
        where = line(BY_METRICS, "sort")
        assert each.why_metrics == f"sort has no fused operator (mine.py:{where})"


def test_what_cannot_be_stacked_is_told(tmp_path: Path) -> None:
    told = explain(Asked.of({"problem": problem(tmp_path, SINGLY), "trials": 4, "steps": 10}))
    assert {each.kind for each in told.shapes} == {"single"}


LARGE = """
import torch

class Plain:
    space = {"lr": "1e-4:1e-2:log"}

    def data(self):
        return torch.ones(64, 300), torch.arange(64.0)

    def initial(self, seed):
        return {"w": torch.ones(300, 400) / 1000, "v": torch.ones(400) / 400}

    def loss(self, params, data):
        x, y = data
        return ((torch.tanh(x @ params["w"]) @ params["v"] - y) ** 2).mean()
"""


@pytest.mark.parametrize("text", [PLAIN, SORTS, SINGLY, LARGE])
def test_an_update_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Of which the seconds of fits side by side, in a kernel, are the fewer ones by far."""
    monkeypatch.setattr(measuring, "SECONDS", 0.02)
    monkeypatch.setattr(measuring, "WARM_SECONDS", 0.01)
    asked = {"problem": problem(tmp_path, text), "trials": 64, "steps": 10}
    program = {"program": "compiled"} if text == PLAIN else {}
    told = explain(Asked.of({**asked, **program}), measure=True)
    for each in told.shapes:
        assert each.measured is not None
        assert 0 < each.measured.seconds < 1
        assert 0 < each.measured.plain < 1
        if each.kind == "kernel":
            assert each.measured.seconds < each.measured.plain / 4
            assert each.measured.share is not None
            assert 0.002 < each.measured.share < 2  # 1 but for what else the machine does meanwhile
        elif text == LARGE:
            assert each.kind == "sequential"
            assert each.measured.share is not None
            assert 0.002 < each.measured.share < 2
        elif each.kind != "pieces":
            assert each.measured.share is None


def test_what_is_called_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def train(lr):\n    return lr\n")
    name = f"{tmp_path / 'mine.py'}:train"
    with pytest.raises(BadInput, match="is called for each fit"):
        explain(Asked.of({"problem": name, "space": {"lr": "0:1"}}))
