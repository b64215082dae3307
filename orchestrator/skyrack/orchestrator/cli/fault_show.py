"""Faults as tables."""

from __future__ import annotations

import math
from typing import Any

from skyrack.orchestrator.cli.console import print_table
from skyrack.orchestrator.faults.kinds import KINDS, Kind

_MOST_SAID = 2
_MOST_NAMED = 3
_ACTS_ON = {
    "links": "links",
    "nodes": "nodes",
    "satellites": "satellites",
    "places": "nodes, NODE/SERVICE",
    "across": "satellites",
    "sides": "two sides",
    "parts": "the run",
}


def print_faults(faults: list[dict[str, Any]], entered_s: float = -math.inf) -> None:
    """Those there are, with what took effect: what the runtime saw, and what the fabric has.

    `entered_s`: when those of them that act at once have just been entered; one that is done acts no more and is not to come.
    """
    rows = []
    for fault in faults:
        until = f"{fault['until_s']:.3f}" if fault["until_s"] is not None else "removed"
        at_once = fault["until_s"] == fault["since_s"]
        done = fault["acts"] or (at_once and fault["since_s"] <= entered_s)
        since = f"{fault['since_s']:.3f}" + ("" if done else " (to come)")
        if at_once:
            until = "at once"
        if fault.get("stage"):
            until = f"{until} ({fault['stage']})" if fault["until_s"] is not None else fault["stage"]
        says = [*fault["effects"], *(_says(way) for way in fault["fabric"] if fault["acts"])]
        more = f"; and {len(says) - _MOST_SAID} more" if len(says) > _MOST_SAID else ""
        seen = "; ".join(says[:_MOST_SAID]) + more or "-"
        rows.append([fault["id"], fault["kind"], _on(fault["on"]), since, until, fault["cause"], seen])
    print_table(["ID", "KIND", "ON", "SINCE (RUN S)", "UNTIL", "CAUSE", "TOOK EFFECT"], rows)


def print_planned(records: list[dict[str, Any]]) -> None:
    """Faults of a plan."""
    rows = []
    for record in records:
        words = [word for key in ("links", "nodes", "planes", "parts") for word in record.get(key, ())]
        words += ["to", *record["to"]] if record.get("to") else []
        kind = KINDS[record["kind"]]
        values = ", ".join(f"{p.key}={record[p.key]:g}" for p in kind.parameters)
        lasts = f"{record['for_s']:g} s" if "for_s" in record else kind.lasts
        rows.append([f"{record['run_s']:.3f}", kind.name, _on(words), values or "-", lasts, record["cause"]])
    print_table(["AT (RUN S)", "KIND", "ON", "VALUES", "FOR", "CAUSE"], rows)


def print_kinds() -> None:
    """Every kind, what it acts on, its parameters and what it does."""
    rows = [
        [kind.name, _ACTS_ON[kind.acts_on], _parameters(kind), kind.lasts, kind.text]
        for kind in KINDS.values()
    ]
    print_table(["KIND", "ACTS ON", "OPTIONS", "LASTS", "WHAT HAPPENS"], rows)


def _parameters(kind: Kind) -> str:
    shown = [f"--{p.flag} {p.shown}" if p.needed else f"[--{p.flag} {p.shown}]" for p in kind.parameters]
    return " ".join(shown) or "-"


def _on(words: list[str]) -> str:
    return " ".join(words[:6]) + (f" and {len(words) - 6} more" if len(words) > 6 else "")


def _says(way: dict[str, Any]) -> str:
    if "node" in way:
        return f"{way['node']} {'lit' if way['lit'] else 'dark'}"
    if "cut" in way:
        return f"{_few(way['from'])} > {_few(way['to'])}: {way['cut']} of {way['ways']} pairs cut"
    words = f"{way['from']}>{way['to']} "
    if way["down"]:
        return words + "down"
    damaged = f", {way['corrupt_ratio'] * 100:g} % damaged" if way["corrupt_ratio"] else ""
    return (
        words
        + f"+{way['extra_s'] * 1e3:g} ms, {way['rate_bps'] / 1e6:,.6g} Mbit/s, {way['loss_ratio'] * 100:g} % lost{damaged}"
    )


def _few(names: list[str]) -> str:
    return ",".join(names) if len(names) <= _MOST_NAMED else f"{len(names)} nodes"
