"""Numbers with their units, for a reader."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return how long something takes, in units that are read at a glance."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
