"""What figures show, of searches whose numbers are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import optuna
import plotly.graph_objects as go
import pytest

from shoal.search.plots import (
    Figure,
    Trials,
    contours,
    curves,
    history,
    importance,
    metrics,
    slices,
)
from shoal.search.plots.parallel import parallel

MadeUp = Callable[..., Trials]

EACH = (history, slices, contours, curves, importance, metrics, parallel)


def named(figure: Figure, name: str) -> list[dict[str, Any]]:
    """The traces of a figure that are called so."""
    return [trace for trace in figure["data"] if trace.get("name") == name]


def line(count: int = 200) -> dict[str, Any]:
    """A loss that is |log10 x| and knows of no y."""
    numbers = numpy.random.default_rng(0)
    x = 10.0 ** numbers.uniform(-3, 3, count)
    y = numbers.uniform(0, 1, count)
    return {"x": x, "y": y, "loss": numpy.abs(numpy.log10(x))}


SPACE = {"x": "1e-3:1e3:log", "y": "0:1"}


def test_history_shows_each_trial_and_the_best_so_far(made_up: MadeUp) -> None:
    """The line is the least loss up to each trial; what diverged is beyond the worst one."""
    loss = numpy.array([5.0, 7.0, numpy.inf, 3.0, 4.0, 2.0, 9.0, 2.5])
    trials = made_up(
        {"x": "0:1"},
        {
            "x": numpy.linspace(0, 1, 8),
            "loss": loss,
            "state": ["diverged" if numpy.isinf(each) else "complete" for each in loss],
        },
    )
    figure = history(trials)
    (best,) = named(figure, "best so far")
    assert dict(zip(best["x"], best["y"], strict=True)) == {0: 5.0, 3: 3.0, 5: 2.0, 7: 2.0}
    (dots,) = named(figure, "trial")
    assert dots["x"].tolist() == [0, 1, 3, 4, 5, 6, 7]
    assert dots["y"].tolist() == [5, 7, 3, 4, 2, 9, 2.5]
    (crosses,) = named(figure, "diverged")
    assert crosses["x"].tolist() == [2]
    low, high = figure["layout"]["yaxis"]["range"]
    assert low < 2 < 9 < crosses["y"][0] < high
    (star,) = named(figure, "best trial")
    assert (star["x"].tolist(), star["y"].tolist()) == ([5], [2])


def test_where_more_is_better_the_best_is_the_largest(made_up: MadeUp) -> None:
    """What diverged is below the worst one."""
    accuracy = [0.5, 0.7, numpy.nan, 0.6, 0.9, 0.1]
    trials = made_up(
        {"x": "0:1"},
        {
            "x": numpy.linspace(0, 1, 6),
            "accuracy": accuracy,
            "state": ["complete", "complete", "diverged", "complete", "complete", "complete"],
        },
        objective="accuracy:max",
        metrics=("accuracy",),
    )
    figure = history(trials)
    (best,) = named(figure, "best so far")
    assert best["y"].tolist() == [0.5, 0.7, 0.9, 0.9]
    (crosses,) = named(figure, "diverged")
    assert figure["layout"]["yaxis"]["range"][0] < crosses["y"][0] < 0.1
    (panel,) = named(metrics(trials), "trial")
    assert panel["y"].tolist() == [0.5, 0.7, 0.6, 0.9, 0.1]


def test_a_trial_is_the_mean_of_its_fits(made_up: MadeUp) -> None:
    """One of which a fit is still to come is not there; one of which a fit failed is a cross."""
    trials = made_up(
        {"x": "0:1"},
        {
            "x": [0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4],
            "loss": [1.0, 3.0, 2.0, numpy.inf, 7.0, 8.0, 5.0],
            "state": ["complete"] * 3 + ["failed"] + ["complete"] * 3,
        },
        replicates=2,
    )
    assert trials.number.tolist() == [0, 1, 2]
    assert trials.score.tolist()[::2] == [2.0, 7.5]
    figure = slices(trials)
    (crosses,) = named(figure, "failed")
    assert crosses["x"].tolist() == [0.2]


def test_slices_have_the_trials_in_which_a_hyperparameter_is_active(made_up: MadeUp) -> None:
    """Choices are at even distances, spread a little, and named where the mouse is."""
    from shoal.search.space import of_plain

    trials = made_up(
        {"optimizer": "sgd,adam", "momentum": "0:1", "width": "8,32,16"},
        {
            "optimizer": ["sgd", "adam", "sgd", "adam"],
            "momentum": [0.1, None, 0.3, None],
            "width": [8, 16, 32, 8],
            "loss": [1.0, 2.0, 3.0, 4.0],
        },
        conditions=of_plain({"momentum": [{"optimizer": ["sgd"]}]}),
    )
    (momentum,) = named(slices(trials, ["momentum"]), "trial")
    assert momentum["x"].tolist() == [0.1, 0.3]
    figure = slices(trials, ["width"])
    (width,) = named(figure, "trial")
    assert width["x"].round().tolist() == [0, 1, 2, 0]
    assert figure["layout"]["xaxis"]["ticktext"] == ["8", "16", "32"]
    (optimizer,) = named(slices(trials, ["optimizer"]), "trial")
    assert optimizer["text"] == [f"optimizer {name}" for name in ("sgd", "adam") * 2]
    both = contours(trials, ["momentum", "optimizer"])
    (dots,) = named(both, "trial")
    assert dots["customdata"].tolist() == [0, 2]
    axes = parallel(trials)["data"][0]["dimensions"]
    (inactive,) = (axis for axis in axes if axis["label"] == "momentum")
    assert inactive["values"][1] == inactive["values"][3] == numpy.float32(-0.15)
    assert inactive["ticktext"][0] == "inactive"


def test_a_contour_is_the_mean_around_each_point(made_up: MadeUp) -> None:
    """Of a plane it is nearly the plane, away from the edges; far from trials nothing is drawn."""
    x, y = (each.ravel() for each in numpy.meshgrid(*[numpy.linspace(0, 1, 30)] * 2))
    trials = made_up({"x": "0:1", "y": "0:4"}, {"x": x, "y": 4 * y, "loss": 1 + x + 2 * y})
    surface = contours(trials, ["x", "y"])["data"][0]
    there = 1 + surface["x"][None, :] + 0.5 * surface["y"][:, None]
    inner = slice(8, -8)
    assert surface["z"] * 3 + 1 == pytest.approx(there, abs=0.2)
    assert surface["z"][inner, inner] * 3 + 1 == pytest.approx(there[inner, inner], abs=0.03)
    corner = made_up(
        {"x": "0:1", "y": "0:1"}, {"x": x[:30] / 9, "y": y[::30] / 9, "loss": 1 + x[:30]}
    )
    z = contours(corner, ["x", "y"])["data"][0]["z"]
    assert numpy.isfinite(z[0, 0])
    assert numpy.isnan(z[-1, -1])


def test_curves_have_the_best_the_band_and_what_was_cut_short(made_up: MadeUp) -> None:
    """The band holds four of five of the trials that came to their end."""
    count, steps = 40, 5
    loss = 1.0 + numpy.arange(count)
    state = ["complete"] * 38 + ["diverged", "pruned"]
    loss[38] = numpy.inf
    trial = numpy.repeat(numpy.arange(count), steps)
    step = numpy.tile(numpy.arange(steps), count)
    values = (1.0 + trial) * (10.0 - step)
    values[(trial == 38) & (step > 1)] = numpy.inf
    there = ~((trial == 39) & (step > 2))
    points = {"trial": trial[there], "step": step[there], "loss": values[there]}
    columns = {"x": numpy.linspace(0, 1, count), "loss": loss, "state": state}
    figure = curves(made_up({"x": "0:1"}, columns, points))
    (best,) = named(figure, "best trial")
    assert best["y"].tolist() == [10, 9, 8, 7, 6]
    assert len(named(figure, "next 9")) == 9
    (median,) = named(figure, "median")
    assert median["y"] == pytest.approx(19.5 * (10.0 - numpy.arange(5)))
    (high,) = named(figure, "10 % to 90 %")
    assert high["y"][0] == pytest.approx(10 * numpy.quantile(1.0 + numpy.arange(38), 0.9))
    (diverged,), (pruned,) = named(figure, "diverged"), named(figure, "pruned")
    assert numpy.isnan(diverged["y"]).tolist() == [False, False, True, True, True]
    assert pruned["x"].tolist() == [0, 1, 2]


def test_importance_is_that_of_optuna(made_up: MadeUp) -> None:
    """What the loss does not know of matters little, and the numbers are PED-ANOVA's."""
    made = line()
    shares = made_up(SPACE, made).importance
    assert shares["x"] > 0.9
    assert sum(shares.values()) == pytest.approx(1)
    study = optuna.create_study()
    distributions = {
        "x": optuna.distributions.FloatDistribution(1e-3, 1e3, log=True),
        "y": optuna.distributions.FloatDistribution(0, 1),
    }
    for x, y, loss in zip(made["x"], made["y"], made["loss"], strict=True):
        study.add_trial(
            optuna.trial.create_trial(
                params={"x": x, "y": y}, distributions=distributions, value=loss
            )
        )
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    theirs = optuna.importance.get_param_importances(study, evaluator=evaluator)
    assert shares == pytest.approx(theirs)


def test_of_many_trials_some_are_drawn_and_the_best_are_among_them(made_up: MadeUp) -> None:
    """The hundred best are there, and each stretch of the search has its share."""
    count = 300_000
    made = line(count)
    trials = made_up(SPACE, made)
    at = trials.sample(1000)
    assert len(at) == 1000
    assert numpy.isin(numpy.argsort(made["loss"])[:100], at).all()
    assert numpy.histogram(at, bins=10, range=(0, count))[0].min() > 60
    for figure in (history(trials), slices(trials), contours(trials), parallel(trials)):
        assert len(go.Figure(figure).to_json()) < 400_000


@pytest.mark.parametrize("draw", EACH)
@pytest.mark.parametrize(
    "loss",
    [
        [],
        [1.0],
        [numpy.inf] * 4,
        [2.0] * 5,
        [0.0, 0.0, 1.0],
        [-1e308, 1e308, 5.0],
        [5e-324, 1e-320, 1.0],
        [1e308, 1.7e308, 1e307],
    ],
    ids=str,
)
def test_odd_numbers_are_drawn_without_a_warning(
    made_up: MadeUp, draw: Callable[[Trials], Figure], loss: list[float]
) -> None:
    """Nothing at all, one trial, all diverged, all equal, the largest and the smallest floats."""
    state = ["complete" if numpy.isfinite(each) else "diverged" for each in loss]
    columns = {
        "x": numpy.logspace(-3, 3, len(loss)),
        "y": numpy.linspace(0, 1, len(loss)),
        "loss": loss,
        "state": numpy.array(state, str),
    }
    step = numpy.tile([0, 1], len(loss))
    trial = numpy.repeat(numpy.arange(len(loss)), 2)
    points = {"trial": trial, "step": step, "loss": numpy.repeat(loss, 2)}
    figure = draw(made_up(SPACE, columns, points, trials=max(1, len(loss))))
    drawn = go.Figure(figure)
    assert "Infinity" not in drawn.to_json()
    for axis in ("xaxis", "yaxis"):
        ends = figure["layout"].get(axis, {}).get("range", [0, 1])
        assert numpy.isfinite(ends).all()
        assert ends[0] < ends[1]


def test_text_of_the_user_is_no_markup(made_up: MadeUp) -> None:
    """A choice that is written like HTML is shown as it is written."""
    word = "<img src=x onerror=alert(1)>"
    trials = made_up(
        {"way": [word, "plain"], "x": "0:1"},
        {"way": [word, "plain"] * 4, "x": numpy.linspace(0, 1, 8), "loss": numpy.arange(8.0)},
    )
    for figure in (slices(trials, ["way"]), contours(trials, ["way", "x"])):
        assert figure["layout"]["xaxis"]["ticktext"][0] == "&lt;img src=x onerror=aler…"
        assert "<img" not in str(figure)
