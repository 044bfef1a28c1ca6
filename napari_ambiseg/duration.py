"""Times as people say them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A time in the words of a label: "12 s", "4 min", "1 h 20 min"; at least a second."""
    if seconds < 99.5:  # two minutes for 95 s would be far off
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
