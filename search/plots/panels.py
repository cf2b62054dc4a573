"""Panels: coordinate systems with what is drawn in them, and figures of one or several.

A figure is a dict of ``data`` and ``layout``, as Plotly has it in JSON, where numpy arrays stand
for lists of numbers. It has no colours of text or background: those are of whoever shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
from numpy.typing import NDArray

from shoal.search.plots.axis import Axis, Numbers
from shoal.search.plots.trials import Indices, Trials
from shoal.trainable.lanes import FAILED, PRUNED

Figure = dict[str, Any]
Trace = dict[str, Any]

BLUE, ORANGE, RED, GREY, PURPLE = "#4a90c9", "#e69f00", "#d1495b", "#8b919a", "#9c6fc4"
"""Told apart by readers who see fewer colours, on white and on black."""

COLORSCALE = "Viridis"

HEIGHT, MIN_HEIGHT = 380, 260
"""Pixels of a figure of one panel, and of a panel among others."""

GOLDEN, PLASTIC = 0.6180339887498949, 0.7548776662466927
"""Irrational numbers whose multiples are far from each other, also as pairs (Roberts 2018)."""

GAP = 0.09
"""Between panels, a share of the width."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A coordinate system. Only one panel of a figure has a legend."""

    data: list[Trace]
    x: dict[str, Any]
    y: dict[str, Any]
    layout: dict[str, Any] = field(default_factory=dict)


def figure(panels: Sequence[Panel], columns: int = 1) -> Figure:
    """Return a figure of panels side by side."""
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    data: list[Trace] = []
    layout: dict[str, Any] = {
        "height": HEIGHT if rows == 1 else 40 + rows * MIN_HEIGHT,
        "margin": {"l": 70, "r": 20, "t": 40, "b": 55},
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    }
    shown: set[str] = set()
    for index, panel in enumerate(panels):
        end = "" if index == 0 else str(index + 1)
        row, column = divmod(index, columns)
        x, y = dict(panel.x), dict(panel.y)
        if len(panels) > 1:
            x |= {"domain": _domain(column, columns, GAP), "anchor": f"y{end}"}
            y |= {"domain": _domain(rows - 1 - row, rows, GAP * 1.6), "anchor": f"x{end}"}
        layout |= {f"xaxis{end}": _titled(x), f"yaxis{end}": _titled(y), **panel.layout}
        for trace in panel.data:
            name = trace.get("name", "")
            legend = bool(trace.get("showlegend", True) and name and name not in shown)
            shown.add(name)
            drawn = {**trace, "showlegend": legend, "legendgroup": name}
            data.append(drawn if not end else drawn | {"xaxis": f"x{end}", "yaxis": f"y{end}"})
    layout["showlegend"] = any(trace["showlegend"] for trace in data)
    return {"data": data, "layout": layout}


def empty(message: str) -> Figure:
    """Return a figure that says why there is nothing to draw."""
    hidden = {"visible": False}
    note = {"text": message, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
    return {
        "data": [],
        "layout": {
            "height": 160,
            "xaxis": hidden,
            "yaxis": hidden,
            "annotations": [{**note, "showarrow": False}],
        },
    }


def dots(
    trials: Trials, x: Axis, y: Axis, at: Indices, color: str = BLUE, size: int = 5
) -> list[Trace]:
    """Return the trials at `at` that have both coordinates as dots, and the best as a star.

    Choices are spread a little, so that many are seen.
    """
    at = at[x.has[at] & y.has[at]]
    traces = [
        _marks(trials, x, y, at, "trial", {"size": size, "color": color, "opacity": 0.55}),
    ]
    best = trials.best
    if best is not None and x.has[best] and y.has[best]:
        star = {"symbol": "star", "size": 14, "color": ORANGE, "line": {"width": 1}}
        traces.append(_marks(trials, x, y, numpy.array([best]), "best trial", star))
    return traces


def without_number(trials: Trials, x: Axis, y: Axis, at: Indices) -> list[Trace]:
    """Return the trials at `at` that have no place on `y` as crosses in its strip: those that
    diverged or failed, and those that are far worse than the others."""
    traces = []
    failed = trials.state == FAILED
    for name, which, color in (
        ("diverged", numpy.isposinf(trials.score) & ~failed, RED),
        ("failed", failed, GREY),
        ("far worse", numpy.isfinite(trials.score) & ~y.has, BLUE),
    ):
        of_these = at[which[at] & x.has[at]]
        if len(of_these):
            places = y.in_strip(spread(trials.number[of_these], PLASTIC))
            mark = {"symbol": "x-thin", "size": 6, "line": {"width": 1.5, "color": color}}
            trace = _marks(trials, x, y, of_these, name, {**mark, "color": color, "opacity": 0.85})
            hover = f"trial %{{customdata}}, {name}<br>{x.name} %{{x{x.hover}}}<extra></extra>"
            traces.append({**trace, "y": places, "hovertemplate": hover})
    return traces


def spread(number: NDArray[Any], ratio: float = GOLDEN) -> Numbers:
    """Return a number from 0 to 1 for each trial, far from that of its neighbours."""
    found: Numbers = numpy.mod(number * ratio, 1.0)
    return found


def is_pruned(trials: Trials) -> NDArray[numpy.bool_]:
    """Which trials were ended before their last step since they were behind."""
    found: NDArray[numpy.bool_] = trials.state == PRUNED
    return found


def _marks(
    trials: Trials, x: Axis, y: Axis, at: Indices, name: str, marker: dict[str, Any]
) -> Trace:
    xs, ys = (
        axis.values[at] + (0.5 * (spread(trials.number[at], ratio) - 0.5) if axis.choices else 0.0)
        for axis, ratio in ((x, GOLDEN), (y, PLASTIC))
    )
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": xs,
        "y": ys,
        "customdata": trials.number[at].astype(numpy.int32),
        "marker": marker,
    }
    words = [f"{axis.name} %{{{key}{axis.hover}}}" for axis, key in ((x, "x"), (y, "y"))]
    if any(axis.choices for axis in (x, y)):
        trace["text"] = _choices(x, y, at)
        words = [
            "%{text}" if axis.choices else f"{axis.name} %{{{key}{axis.hover}}}"
            for axis, key in ((x, "x"), (y, "y"))
            if not (axis is y and x.choices and y.choices)
        ]
    return {
        **trace,
        "hovertemplate": "<br>".join(["trial %{customdata}", *words, "<extra></extra>"]),
    }


def _choices(x: Axis, y: Axis, at: Indices) -> list[str]:
    """What the choices of trials are, in words."""
    of = [axis for axis in (x, y) if axis.choices]
    return [
        "<br>".join(f"{axis.name} {axis.choices[int(axis.values[i])]}" for axis in of) for i in at
    ]


def _domain(index: int, count: int, gap: float) -> list[float]:
    width = (1 - gap * (count - 1)) / count
    begin = index * (width + gap)
    return [max(0.0, begin), min(1.0, begin + width)]


def _titled(axis: dict[str, Any]) -> dict[str, Any]:
    """An axis with room for its title and labels."""
    title = {"standoff": 8, **axis.get("title", {})}
    return {"automargin": True, "zeroline": False, **axis, "title": title}
