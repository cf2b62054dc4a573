"""The table of a run in Markdown, from its record alone.

python benchmarks/table.py benchmarks/results/table.json > benchmarks/results/table.md
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from figures import figures
from record import FLOOR, Record, best, median
from series import BY_KEY


def render(record: Record) -> str:
    """The whole text."""
    parts = [_head(record), _goals(record), _searches(record), _caches(record), _quality(record)]
    return "\n\n".join([*parts, _settings(record)]) + "\n"


def _rows(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _head(record: Record) -> str:
    machine, settings = record.all["machine"], record.all["settings"]
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items())
    peers = record.all.get("peer_versions", {})
    versions += "".join(f", {name} {v}" for name, v in peers.items())
    short = " **A quick run: too short for any figure to mean much.**" if settings["quick"] else ""
    return (
        f"Written by `make benchmark` on {machine['date']}, commit {machine['commit']}, in "
        f"{record.all['seconds'] / 60:.1f} minutes.{short}\n\n"
        f"{machine['processor']} ({machine['architecture']}), {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}, load {machine['load_before']} before; "
        f"Python {machine['python']}, {versions}.\n\n"
        f"The course's fit: {settings['steps']:,} updates over 2,000 points, the residual over all "
        f"of them at each update, float32; learning rate log-uniform over [1e-8, 1e-4]; "
        f"{settings['workers']} workers. Every search is a whole process, start-up included, and "
        f"they were run turn about; medians where there are several runs."
    )


def _goals(record: Record) -> str:
    head = ["figure", "goal", "measured", ""]
    rows = ([f.what, f.goal, f.measured, f.verdict] for f in figures(record))
    return f"### Figures and goals\n\n{_rows(head, rows)}"


def _searches(record: Record) -> str:
    def rows() -> Iterator[Sequence[str]]:
        for key in ("shoal", *BY_KEY):
            label = "**shoal**" if key == "shoal" else BY_KEY[key].label
            error = record.error(key)
            if not record.sizes(key):
                yield [label, "", "", "", "", "", f"did not run: {error or 'not asked for'}"]
            for trials in record.sizes(key):
                runs = record.of(key, trials)
                seconds = sorted(run["seconds"] for run in runs)
                middle = median(seconds)
                assert middle is not None
                spread = f" ({seconds[0]:.1f} to {seconds[-1]:.1f})" if len(runs) > 1 else ""
                line = record.line(key) if trials == record.sizes(key)[-1] else None
                yield [
                    label,
                    f"{trials:,}",
                    f"{middle:.1f}{spread}",
                    f"{trials / middle:,.1f}",
                    f"{line.rate:,.1f}" if line else "",
                    f"{line.start_up:.1f}" if line else "",
                    _excess(median(best(run) - FLOOR for run in runs)),
                ]

    head = [
        "search",
        "trials",
        "seconds",
        "trials/s, start-up included",
        "trials/s, start-up aside",
        "start-up, s",
        "best loss - floor",
    ]
    note = (
        "Start-up aside: between a search's smallest and largest size. For a ratio at a size that "
        "a peer did not run, it is taken to go on at that rate, which flatters samplers that slow "
        'down. "Tuned fit": peers/course.py\'s second form, the same arithmetic rewritten for '
        "eager torch; all others run the course's text, Syne Tune the tuned fit. Floor: "
        f"{FLOOR}; float32 tells losses apart to 1e-6 there."
    )
    return f"### Searches\n\n{_rows(head, rows())}\n\n{note}"


def _caches(record: Record) -> str:
    def rows() -> Iterator[Sequence[str]]:
        for trials in record.sizes_of_goals:
            times = [record.seconds("shoal", trials, cache) for cache in ("warm", "cold")]
            yield [f"{trials:,}", *("" if t is None else f"{t:.1f}" for t in times)]

    head = ["trials of shoal", "seconds, warm cache", "seconds, cold cache"]
    return f"### Compile cache\n\n{_rows(head, rows())}"


def _quality(record: Record) -> str:
    def rows() -> Iterator[Sequence[str]]:
        for key in ("shoal", "optuna, tuned fit", "ray+optuna, tuned fit", "deephyper, tuned fit"):
            label = "**shoal**" if key == "shoal" else BY_KEY[key].label
            yield [label, *(_excess(record.excess(key, n)) for n in record.sizes_of_goals)]

    head = ["best loss - floor after", *(f"{n:,} trials" for n in record.sizes_of_goals)]
    text = f"### Quality beside the speed\n\n{_rows(head, rows())}"
    runs = [run for run in record.runs if run["space"] == "momentum"]
    if runs:
        steps = record.all["settings"]["momentum_steps"]
        text += (
            f"\n\nThree hyperparameters (lr, momentum, scale of the initial parameters), {steps} "
            f"updates of the momentum rule, the same wall time, start-up included:\n\n"
        )
        lines = (
            [
                "**shoal**" if run["key"] == "shoal" else BY_KEY[run["key"]].label,
                str(run["seed"]),
                f"{run['seconds']:.1f}",
                f"{_done(run):,}" if "told" in run else run["error"],
                _excess(best(run) - FLOOR) if "told" in run else "",
            ]
            for run in runs
        )
        text += _rows(["search", "seed", "seconds", "trials", "best loss - floor"], lines)
    return text


def _done(run: dict[str, dict[str, int]]) -> int:
    told = run["told"]
    return told["fresh"] if "fresh" in told else told["trials"]


def _settings(record: Record) -> str:
    engines = {run["trials"]: run["told"]["engine"] for run in record.of("shoal") if "told" in run}
    ways = ", ".join(f"{trials:,}: {engine}" for trials, engine in sorted(engines.items()))
    lines = [f"- **shoal**: its defaults; the engine that it took, by trials: {ways}."]
    lines += [f"- **{peer.label}**: {peer.settings}." for peer in BY_KEY.values()]
    return "### Settings\n\n" + "\n".join(lines)


def _excess(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}" if math.isfinite(value) else "none"


if __name__ == "__main__":
    read = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.stdout.write(render(Record(read)))
