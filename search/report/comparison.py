"""The sections of a page that compares several searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from shoal.search.errors import BadInput
from shoal.search.plots import (
    Figure,
    Panel,
    best_so_far,
    figure,
    of_hyperparameter,
    of_numbers,
    of_objective,
    text,
)
from shoal.search.report.page import Section, table
from shoal.search.report.telling import number
from shoal.search.results import Result

COLORS = (
    "#4a90c9",
    "#e69f00",
    "#3a9e75",
    "#d1495b",
    "#9c6fc4",
    "#8c6d31",
    "#c76ba0",
    "#6b7785",
)

MAX_POINTS, MAX_SLICES, MAX_SHOWN = 800, 12, 200

OWN = ("format", "source", "files", "began", "settled", "amendments", "halved", "lane_seconds")
"""What two searches that were asked for alike may differ in."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One of the searches: what it is called, as text, and its colour."""

    name: str
    color: str
    result: Result


def compared(results: Sequence[Result]) -> list[Section]:
    """Return the sections.

    Raises:
        BadInput: the searches have no objective in common, or one is named twice.
    """
    paths = [result.path.resolve() for result in results]
    if len(set(paths)) < len(paths):
        raise BadInput("a run folder is named twice; name each once")
    goals = {str(result.objective) for result in results}
    if len(goals) > 1:
        told = ", ".join(f"{result.path} for {result.objective}" for result in results)
        raise BadInput(f"the searches have different objectives ({told}); compare those of one")
    names = [path.name for path in paths]
    unique = len(set(names)) == len(names)
    searches = [
        Compared(
            name=name if unique else str(result.path),
            color=COLORS[place % len(COLORS)],
            result=result,
        )
        for place, (name, result) in enumerate(zip(names, results, strict=True))
    ]
    shared = [
        name
        for name in results[0].drawn.ranked
        if all(name in result.drawn.searched for result in results)
    ][:MAX_SLICES]
    return [
        Section(name="found", title="Found", html=_found(searches)),
        Section(
            name="history",
            title="The best so far",
            figures={"all": _history(searches)},
            wide=True,
        ),
        Section(
            name="spread",
            title="How many are how good",
            html="<p class='note'>The share of all trials that are at least as good. What diverged "
            "or failed never is.</p>",
            figures={"all": _shares(searches)},
            wide=True,
        ),
        Section(
            name="hyperparameters",
            title="Hyperparameters",
            html=""
            if shared
            else "<p class='note'>No hyperparameter has several values in all searches.</p>",
            figures={str(i): _slice(searches, name) for i, name in enumerate(shared)},
        ),
        Section(name="asked", title="What was asked differently", html=_differences(searches)),
    ]


def _found(searches: Sequence[Compared]) -> str:
    goal = searches[0].result.objective
    space = list(dict.fromkeys(name for each in searches for name in each.result.space))
    rows = []
    for each in searches:
        best = each.result.best_row
        states = each.result.states()
        ended = ", ".join(f"{count:,} {state}" for state, count in states.items() if count)
        value = "–" if best is None else f"{best[goal.name]:.9g}"
        at = ["–" if best is None else number(best.get(name)) for name in space]
        rows.append([each.name, value, ended or "none", *at])
    return table(rows, ["search", f"best {goal.name}", "fits", *space])


def _history(searches: Sequence[Compared]) -> Figure:
    axis = _axis(searches)
    traces = []
    for each in searches:
        name = text(each.name)
        traces += best_so_far(each.result.drawn, axis, each.color, name)
    return figure([Panel(data=traces, x={"title": {"text": "trial"}}, y=axis.layout)])


def _shares(searches: Sequence[Compared]) -> Figure:
    axis = _axis(searches)
    traces = []
    for each in searches:
        trials = each.result.drawn
        score = trials.score[trials.best_first]
        at = numpy.unique(numpy.linspace(0, len(score) - 1, MAX_POINTS).round().astype(int))
        at = at if len(score) else at[:0]
        maximize = trials.request.goal.maximize
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": text(each.name),
                "x": -score[at] if maximize else score[at],
                "y": (at + 1) / max(1, len(trials)),
                "line": {"color": each.color, "width": 2, "shape": "hv"},
            }
        )
    y = {"title": {"text": "share of trials"}, "range": [0, 1.02]}
    return figure([Panel(data=traces, x=axis.layout, y=y)])


def _slice(searches: Sequence[Compared], name: str) -> Figure:
    y = _axis(searches)
    traces: list[dict[str, Any]] = []
    layouts = []
    for each in searches:
        trials = each.result.drawn
        x, own = of_hyperparameter(trials, name), of_objective(trials)
        layouts.append(x.layout)
        at = trials.sample(MAX_POINTS, among=x.has & own.has)
        values = x.values[at]
        shown = [x.choices[int(value)] for value in values] if x.choices else values
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": text(each.name),
                "x": shown,
                "y": own.values[at],
                "marker": {"size": 4, "color": each.color, "opacity": 0.5},
            }
        )
    kinds = {layout.get("type") for layout in layouts}
    layout: dict[str, Any] = {"title": layouts[0]["title"]}
    if any("tickvals" in each for each in layouts):
        layout["type"] = "category"
    elif kinds == {"log"}:
        layout |= {"type": "log", "exponentformat": "power"}
    return figure([Panel(data=traces, x=layout, y=y.layout)])


def _axis(searches: Sequence[Compared]) -> Any:
    """The axis of the objective, for all searches."""
    axes = [of_objective(each.result.drawn) for each in searches]
    return of_numbers(
        searches[0].result.objective.name, numpy.concatenate([axis.values for axis in axes])
    )


def _differences(searches: Sequence[Compared]) -> str:
    """Settings, and values of hyperparameters, that are not the same in all."""
    asked = []
    for each in searches:
        plain = each.result.drawn.request.as_dict()
        space = {f"space: {name}": values for name, values in plain.pop("space").items()}
        asked.append({**{k: v for k, v in plain.items() if k not in OWN}, **space})
    rows = []
    for name in dict.fromkeys(key for plain in asked for key in plain):
        values = [plain.get(name) for plain in asked]
        if any(value != values[0] for value in values):
            shown = ["–" if value is None else str(value)[:MAX_SHOWN] for value in values]
            rows.append([name, *shown])
    if not rows:
        return "<p class='note'>Nothing.</p>"
    return table(rows, ["setting", *(each.name for each in searches)])
