"""The figures that were promised, each beside its goal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from record import Record, median
from series import BY_KEY

TEXT = [key for key in BY_KEY if not key.endswith("tuned fit")]


@dataclass(frozen=True)
class Figure:
    """One figure: what, its goal in words, what was measured in words, and whether that meets it
    (None: not measured)."""

    what: str
    goal: str
    measured: str
    met: bool | None

    @property
    def verdict(self) -> str:
        """In a word."""
        return {True: "met", False: "**not met**", None: "not measured"}[self.met]


def figures(record: Record) -> list[Figure]:
    """All of them, in the order of the promise."""
    return [
        *_against_peers(record),
        *_own(record),
        *_loop(record),
        *_small(record),
        *_driver(record.all.get("ceiling", {})),
        _cluster(record.all.get("cluster", {})),
    ]


def _missing(what: str, goal: str, why: str = "not measured") -> Figure:
    return Figure(what, goal, why, None)


def _at_least(what: str, goal: float, value: float, text: str, unit: str = "") -> Figure:
    return Figure(what, f"≥ {goal:,g}{unit}", text, value >= goal)


def _at_most(what: str, goal: float, value: float, text: str, unit: str = "") -> Figure:
    return Figure(what, f"≤ {goal:,g}{unit}", text, value <= goal)


def _against_peers(record: Record) -> Iterator[Figure]:
    ours = record.seconds("shoal", record.large)
    what = f"trials/s at {record.large:,} trials, start-up included, against"
    for name, keys, goal in (
        ("the best peer, the course's text in both", TEXT, 100),
        ("the best peer, its fit tuned by hand", list(BY_KEY), 100),
        ("Ray Tune as it comes", ["ray"], 1000),
    ):
        best = record.best_peer(keys, record.large)
        if ours is None or best is None:
            yield _missing(f"{what} {name}", f"≥ {goal:,} ×")
            continue
        key, seconds = best
        ratio = seconds / ours
        text = (
            f"{ratio:,.0f} × ({record.large / ours:,.0f} against "
            f"{record.large / seconds:,.1f} trials/s: {BY_KEY[key].label})"
        )
        yield _at_least(f"{what} {name}", goal, ratio, text, " ×")


def _own(record: Record) -> Iterator[Figure]:
    what = f"fitting's share of the wall time at {record.large:,} trials, start-up aside"
    shares = [run["told"]["seconds"] for run in record.of("shoal", record.large)]
    share = median(s["fitting"] / (sum(s.values()) - s["start-up"]) for s in shares)
    if share is None:
        yield _missing(what, "≥ 85 %")
    else:
        yield _at_least(what, 85, 100 * share, f"{share:.0%}", " %")


def _loop(record: Record) -> Iterator[Figure]:
    loops = [run for run in record.all.get("loop", []) if "told" in run]
    ours = record.of("shoal", record.large)
    what = "trials/s of the bare loop that the search has"
    if not loops or not ours:
        yield _missing(f"{what}, start-up aside", "≥ 0.7")
        yield _missing("the bare loop's share of the cores' multiply-add peak", "≥ 0.5")
        return
    fitted = median(sum(s.values()) - s["start-up"] for s in (r["told"]["seconds"] for r in ours))
    bare, whole = median(r["told"]["seconds"] for r in loops), median(r["seconds"] for r in loops)
    searched = record.seconds("shoal", record.large)
    assert fitted is not None
    assert bare is not None
    assert whole is not None
    assert searched is not None
    text = f"{bare / fitted:.2f} (bare: {record.large / bare:,.0f} trials/s)"
    yield _at_least(f"{what}, start-up aside", 0.7, bare / fitted, text)
    yield _at_least(
        f"{what}, start-up included in both", 0.7, whole / searched, f"{whole / searched:.2f}"
    )
    yield _of_peak(record, loops)


def _of_peak(record: Record, loops: list[dict[str, Any]]) -> Figure:
    what = "the bare loop's share of the cores' multiply-add peak"
    peaks = [run["told"] for run in record.all.get("peak", []) if "told" in run]
    if not peaks:
        errors = [run["error"] for run in record.all.get("peak", [])]
        return _missing(what, "≥ 0.5", errors[0] if errors else "not measured")
    workers = record.all["settings"]["workers"]
    each = median(peak["each"] for peak in peaks)
    rate = median(run["told"]["updates"] / run["told"]["seconds"] for run in loops)
    assert each is not None
    assert rate is not None
    share = peaks[0]["multiply_adds"] * rate / workers / each
    busy = peaks[0]["operations"] * rate / workers / each
    text = (
        f"{share:.2f} by multiply-adds alone, {busy:.2f} by all operations counted "
        f"(peak of a core: {each / 1e9:.1f} G multiply-adds/s)"
    )
    return _at_least(what, 0.5, share, text)


def _small(record: Record) -> Iterator[Figure]:
    ours, optuna = record.seconds("shoal", record.small), "Optuna's time in two processes"
    for name, key in (("", "optuna"), (", its fit tuned by hand", "optuna, tuned fit")):
        theirs = record.peer_seconds(key, record.small)
        what = f"{record.small} trials, start-up included, over {optuna}{name}"
        if ours is None or theirs is None:
            yield _missing(what, "≤ 0.5")
        else:
            text = f"{ours / theirs:.2f} ({ours:.1f} s against {theirs:.1f} s)"
            yield _at_most(what, 0.5, ours / theirs, text)
    ours = record.seconds("shoal", record.middle)
    for name, keys in (("", TEXT), (", its fit tuned by hand", list(BY_KEY))):
        best = record.best_peer(keys, record.middle)
        what = f"{record.middle:,} trials, start-up included, over the best peer's time{name}"
        if ours is None or best is None:
            yield _missing(what, "≤ 0.2")
        else:
            text = f"{ours / best[1]:.2f} ({ours:.1f} s against {best[1]:.1f} s: "
            text += f"{BY_KEY[best[0]].label})"
            yield _at_most(what, 0.2, ours / best[1], text)


def _driver(ceiling: dict[str, Any]) -> Iterator[Figure]:
    why = ceiling.get("error", "not measured")
    told = ceiling.get("told", {})
    rates = told.get("lanes_per_second", {})
    what = (
        "what the driver can deliver and write: fits that take no time, 4,096 to a worker at once"
    )
    if "4096" in rates:
        text = f"{rates['4096']:,.0f} fits/s"
        text += f" ({rates['512']:,.0f} with 512 at once)" if "512" in rates else ""
        if by_ray := told.get("by_ray_tune"):
            text += f"; by Ray Tune {by_ray['4096']:,.0f} ({by_ray['512']:,.0f})"
        yield _at_least(what, 200_000, rates["4096"], text, " fits/s")
    else:
        yield _missing(what, "≥ 200,000 fits/s", why)
    what = "growth of the driver's seconds per fit from 10⁴ to 10⁶ fits"
    if "growth" in told:
        yield _at_most(what, 1.5, told["growth"], f"{told['growth']:.2f} ×", " ×")
    else:
        yield _missing(what, "≤ 1.5 ×", why)
    what = "peak memory of the driver at 10⁶ fits"
    if "driver_peak_mib" in told:
        gib = told["driver_peak_mib"] / 1024
        yield _at_most(what, 2, gib, f"{gib:.2f} GiB", " GiB")
    else:
        yield _missing(what, "≤ 2 GiB", why)


def _cluster(cluster: dict[str, Any]) -> Figure:
    what = "three-host SLURM against one host with as many workers, start-up aside"
    told = cluster.get("told", {})
    if "jobs" not in told:
        return _missing(what, "≥ 0.9", told.get("skipped") or cluster.get("error", "not measured"))

    def rate(nodes: int, *, start_up: bool) -> float:
        jobs = [job for job in told["jobs"] if job["nodes"] == nodes]
        found = median(
            job["trials"] / (job["search"] - (0 if start_up else job["start-up"])) for job in jobs
        )
        assert found is not None
        return found

    aside, included = (rate(3, start_up=s) / rate(1, start_up=s) for s in (False, True))
    text = f"{aside:.2f} ({included:.2f} with Ray's start-up included)"
    return _at_least(what, 0.9, aside, text)
