"""Rows for unplanned changes: what, when noticed, when all had heard, what it cost, and the way found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skyrack.orchestrator.report.words import duration

HEAD = (
    "since the start",
    "change",
    "first noticed",
    "last informed",
    "packets",
    "pairs cut",
    "restored after",
    "longest",
)
_MOST_NAMED = 3


def row(event: Mapping[str, Any], start_s: float) -> tuple[str, ...]:
    """One event `convergence` as text, by HEAD; times but the first are after the change."""
    named = [*event["nodes"], *event["links"]]
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    dropped = ", ".join(f"{count:,} {name}" for name, count in event["packets_dropped"].items() if count)
    pairs = event["pairs"]
    after_s = pairs.get("restored_after_s", {"median": None, "most": None})
    restored = "-"
    if after_s["median"] is not None:
        restored = f"{duration(after_s['median'])}, at most {duration(after_s['most'])}"
    return (
        f"{event['since_s'] - start_s:+.3f} s",
        f"{event['change']} of {', '.join(named[:_MOST_NAMED])}{more}",
        _after(event["detected_after_s"]),
        _after(event["last_informed_after_s"]),
        dropped or "none",
        f"{pairs['interrupted']:,} of {pairs.get('working_before', 0):,}",
        restored,
        _longest(pairs.get("longest", ())),
    )


def _after(seconds: float | None) -> str:
    return "nobody" if seconds is None else duration(seconds)


def _longest(outages: Any) -> str:
    if not outages:
        return ""
    first = outages[0]
    if first["path"] is None:
        return f"{first['from']} > {first['to']}: no way"
    return " > ".join(first["path"])
