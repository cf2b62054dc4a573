"""What ``shoal results --plot`` draws: the curve of the best trial, and all trials' objectives over
the first hyperparameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoal.search.command.terminal import Axis, drawn, width
from shoal.search.process import streams
from shoal.search.watching import printable

if TYPE_CHECKING:
    from shoal.search.results import Result


def drawings(result: Result) -> str:
    """Return them as text, as wide as the terminal."""
    goal, wide = result.objective.name, width()
    encoding = str(getattr(streams.output(), "encoding", None) or "ascii").lower()
    plain = not encoding.startswith("utf")
    ranking = result.ranking
    if ranking.empty:
        return f"{result.path} has no trial that has ended without failure"
    best = int(ranking["trial"].iloc[0])
    curve = result.curves[result.curves["trial"] == best].groupby("step")[goal].mean()
    steps = Axis(name=f"step, trial {best} (the best)", values=curve.index.to_numpy(), log=False)
    parts = [drawn(steps, Axis(name=goal, values=curve.to_numpy()), wide, plain)]
    name = next((n for n, dimension in result.space.items() if not dimension.fixed), None)
    if name is not None and len(result.space[name].choices) == 0:
        values = ranking[name].astype(float).to_numpy()
        over = Axis(name=name, values=values, log=result.space[name].log)
        parts.append(drawn(over, Axis(name=goal, values=ranking[goal].to_numpy()), wide, plain))
    elif name is not None:
        means = ranking.groupby(name, sort=False)[goal].min().sort_values()
        lines = [f"{goal}, the best of each {name}"]
        lines += [f"{value}  {least:.9g}" for value, least in means.items()]
        parts.append("\n".join(lines))
    return printable("\n\n".join(parts))
