"""Numbers with their units, for a reader."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return how long something takes, in units that are read at a glance."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"


def rate(per_second: float) -> str:
    """Return how many fits end in a second, or in a minute where these are fewer than one."""
    if per_second >= 10:
        return f"{per_second:,.0f} fits/s"
    return f"{per_second:.1f} fits/s" if per_second >= 1 else f"{60 * per_second:.2g} fits/min"
