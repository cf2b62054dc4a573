"""Plots of a result, as a user asks for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import shoal
from shoal import BadInput

NAMES = ("history", "slice", "contour", "curves", "importance", "metrics")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> shoal.Result:
    """A small search whose best trial is the one with the largest number."""
    return shoal.run(
        "cubic-sine",
        space={"lr": "1e-8:1e-4:log"},
        trials=40,
        steps=20,
        engine="inline",
        out=tmp_path_factory.mktemp("plots") / "run",
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_plot_is_a_figure_of_plotly(result: shoal.Result, name: str) -> None:
    """Made without a warning, and with the numbers of the table."""
    from plotly.graph_objects import Figure

    figure = getattr(result.plot, name)()
    assert isinstance(figure, Figure)
    if name in ("history", "slice"):
        (drawn,) = (trace for trace in figure.data if trace.name == "trial")
        complete = result.trials[result.trials["state"] == "complete"]
        assert sorted(drawn.y) == sorted(complete["loss"])


def test_an_unknown_hyperparameter_is_told(result: shoal.Result) -> None:
    """With those that are there."""
    with pytest.raises(BadInput, match="'lrr' is no hyperparameter here; known: lr"):
        result.plot.slice("lrr")


def test_where_plotly_is_missing_a_line_says_what_to_type(result: shoal.Result) -> None:
    """And nothing else of a result needs it."""
    script = (
        "import sys; sys.modules['plotly'] = None; import shoal\n"
        f"result = shoal.load({str(result.path)!r}); result._repr_html_()\n"
        "try: result.plot.history()\n"
        "except shoal.BadInput as error: print(error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert said == 'plots need Plotly; type: pip install "shoal[plots]"\n'


def test_a_notebook_shows_a_result_as_a_table(result: shoal.Result, tmp_path: Path) -> None:
    """With the best trial and the folder; what is like HTML in a path is text."""
    shown = result._repr_html_()
    assert f"<td style='text-align:left'>{result.best['lr']:.9g}</td>" in shown
    assert "40 complete" in shown or "complete, " in shown
    strange = tmp_path / "<b>bold"
    result.path.rename(strange)
    try:
        assert "&lt;b&gt;bold" in shoal.load(strange)._repr_html_()
    finally:
        strange.rename(result.path)
