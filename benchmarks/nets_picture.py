"""The picture of searches of nets: seconds against their number, both logarithmic, as SVG.

    python benchmarks/nets_picture.py benchmarks/results/nets.json > benchmarks/results/nets.svg

Of several files the runs are put together. Dashed: as many times the seconds as there are nets, for
what was measured at fewer.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from picture import BOTTOM, COLOURS, HEIGHT, OURS, WIDTH, Axes, head, label, labels, polyline

NAMES = {
    "shoal": "shoal",
    "optuna": "Optuna, two processes",
    "ray": "Ray Tune, OptunaSearch",
    "scikit-learn": "scikit-learn, two jobs",
    "jax": "JAX, vmap",
}


def draw(runs: Sequence[Mapping[str, Any]], machine: Mapping[str, Any]) -> str:
    """The whole file."""
    seconds: dict[str, dict[int, list[float]]] = {}
    for run in runs:
        if not run.get("error"):
            sizes = seconds.setdefault(run["key"], {})
            sizes.setdefault(run["trials"], []).append(run["seconds"])
    measured = {
        key: [(n, statistics.median(sizes[n])) for n in sorted(sizes)]
        for key, sizes in seconds.items()
    }
    most = max(n for points in measured.values() for n, _ in points)
    ahead = {
        key: (most, points[-1][1] * most / points[-1][0])
        for key, points in measured.items()
        if points[-1][0] < most
    }
    axes = Axes([point for points in measured.values() for point in points] + [*ahead.values()])
    title = (
        f"Nets on handwritten digits, searched: {machine['processor']}, {machine['cores']} cores"
    )
    parts, ends = head(title, axes), []
    for index, (key, points) in enumerate(measured.items()):
        colour = OURS if key == "shoal" else COLOURS[(index - 1) % len(COLOURS)]
        places = [(axes.x(n), axes.y(s)) for n, s in points]
        parts.append(polyline(places, colour, 3.0 if key == "shoal" else 1.8))
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
        if key in ahead:
            n, s = ahead[key]
            places = [places[-1], (axes.x(n), axes.y(s))]
            parts.append(polyline(places, colour, 1.2, dash="4 4"))
        ends.append((*places[-1], NAMES[key], colour))
    note = "dots: measured; dashed: in proportion to the number of nets"
    parts += [*labels(ends), label(WIDTH - 12, HEIGHT - BOTTOM + 44, note, anchor="end", size=11)]
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    read = [json.loads(Path(file).read_text(encoding="utf-8")) for file in sys.argv[1:]]
    sys.stdout.write(draw([run for one in read for run in one["runs"]], read[0]["machine"]))
