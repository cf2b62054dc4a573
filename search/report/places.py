"""When and where fits ran: figures and a table, from the rows of a search."""

from __future__ import annotations

from typing import Any

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.search.plots import Figure, Panel, empty, figure, text
from shoal.search.report.page import table
from shoal.trainable.lanes import STATES

BINS, MAX_DEVICES, POINTS = 240, 60, 300

COLORS = {"complete": "#4a90c9", "diverged": "#d1495b", "pruned": "#9c6fc4", "failed": "#8b919a"}


class Together:
    """Fits that ran together, a row for each group of them.

    Attributes:
        begin, end: in seconds since 1970, shape (g,), float64. device: what it is called, as text;
        of: the position of its device, shape (g,).
    """

    def __init__(self, rows: pa.Table) -> None:
        plain = pa.table(
            {
                "node": rows["node"].fill_null(""),
                "device": rows["device"].fill_null(""),
                "round": rows["round"],
                "pack": rows["pack"],
                "began": _seconds(rows),
                "seconds": rows["seconds"].fill_null(0.0),
            }
        )
        keys = ["node", "device", "round", "pack"]
        groups = plain.group_by(keys).aggregate([("began", "min"), ("seconds", "sum")])
        self.begin = groups["began_min"].to_numpy()
        self.end = self.begin + groups["seconds_sum"].to_numpy()
        names = pc.binary_join_element_wise(groups["node"], groups["device"], " ")
        coded = names.combine_chunks().dictionary_encode()
        self.device: list[str] = coded.dictionary.to_pylist()
        self.of = coded.indices.to_numpy()

    @property
    def ends(self) -> tuple[float, float]:
        """When the first began, and when the last ended."""
        return float(self.begin.min()), float(self.end.max())


def time_table(rows: pa.Table) -> str:
    """Return how long fits took, as HTML."""
    if not len(rows):
        return "<p class='note'>No fit has ended.</p>"
    first, last = Together(rows).ends
    spent = rows["seconds"].fill_null(0.0).to_numpy()
    states = rows["state"].to_numpy()
    total = float(spent.sum()) or 1.0
    lines: list[tuple[str, str, str, str, str]] = []
    for state in STATES:
        of_state = spent[states == state]
        if len(of_state):
            share, each = of_state.sum() / total, of_state.mean()
            lines.append(
                (
                    state,
                    f"{len(of_state):,}",
                    duration(of_state.sum()),
                    f"{share:.0%}",
                    duration(each),
                )
            )
    head = ("fits", "number", "time", "share", "each")
    wall = max(last - first, 1e-9)
    whole = (
        f"From the first fit to the last {duration(last - first)}, {len(rows) / wall:,.1f} fits/s."
    )
    return f"<p>{whole}</p>{table(lines, head, 4)}"


def ended(rows: pa.Table) -> Figure:
    """Return the figure: how many fits had ended, by state, over time."""
    if not len(rows):
        return empty("no fit has ended")
    began = _seconds(rows)
    states = rows["state"].to_numpy()
    when = began + rows["seconds"].fill_null(0.0).to_numpy()
    grid = numpy.linspace(began.min(), when.max(), POINTS)
    traces = []
    for state in STATES:
        of_state = numpy.sort(when[states == state])
        if len(of_state):
            count = numpy.searchsorted(of_state, grid, side="right")
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": state,
                    "x": _times(grid),
                    "y": count.astype(float),
                    "line": {"color": COLORS[state], "width": 2},
                }
            )
    return figure([Panel(data=traces, x={"type": "date"}, y={"title": {"text": "fits"}})])


def at_once(rows: pa.Table) -> Figure:
    """Return the figure: how many groups of fits ran at once on each device, over time."""
    if not len(rows):
        return empty("no fit has ended")
    groups = Together(rows)
    first, last = groups.ends
    edges = numpy.linspace(first, max(last, first + 1e-3), BINS + 1)
    shown = sorted(range(len(groups.device)), key=lambda i: groups.device[i])[:MAX_DEVICES]
    busy = []
    for device in shown:
        own = groups.of == device
        covered = _passed(groups.begin[own], edges) - _passed(groups.end[own], edges)
        busy.append(numpy.diff(covered) / numpy.diff(edges))
    heat = {
        "type": "heatmap",
        "x": _times((edges[1:] + edges[:-1]) / 2),
        "y": [text(groups.device[i], 40) for i in shown],
        "z": numpy.array(busy, numpy.float32),
        "zmin": 0,
        "colorscale": [[0, "rgba(74,144,201,0.06)"], [1, "rgb(74,144,201)"]],
        "colorbar": {"thickness": 12},
        "hovertemplate": "%{y}<br>%{x}<br>%{z:.2f} at once<extra></extra>",
    }
    made = figure([Panel(data=[heat], x={"type": "date"}, y={"type": "category"})])
    made["layout"]["height"] = 130 + 24 * max(3, len(shown))
    return made


def duration(seconds: float) -> str:
    """A time as a reader says it."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"


def _passed(since: NDArray[Any], at: NDArray[Any]) -> NDArray[Any]:
    """The sum of what has passed since each of some times, at times: shape of `at`."""
    since = numpy.sort(since)
    count = numpy.searchsorted(since, at)
    sums = numpy.concatenate([[0.0], numpy.cumsum(since - at[0])])
    passed: NDArray[Any] = count * (at - at[0]) - sums[count]
    return passed


def _seconds(rows: pa.Table) -> NDArray[Any]:
    """When the groups of fits began, in seconds since 1970."""
    whole = rows["started"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    seconds: NDArray[Any] = whole.to_numpy() / 1e6
    return seconds


def _times(seconds: NDArray[Any]) -> list[str]:
    """Times for Plotly."""
    return [str(each) for each in (seconds * 1000).astype("datetime64[ms]")]
