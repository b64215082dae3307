"""The verdict on a terminal: one line per check that matters, then why, then where the report is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skyrack.orchestrator.report.words import duration, figure, is_on_measurement

_MARKS = {True: " ok ", False: "BAD ", None: " ?? "}
_COLOURS = {True: "\033[32m", False: "\033[1;31m", None: "\033[33m"}
_VERDICTS: dict[str, bool | None] = {"ok": True, "bad": False, "inconclusive": None}


def render(result: Mapping[str, Any], *, colour: bool = False) -> str:
    """Lines ` ok  name   value` for a result of `result.build`."""
    lines: list[tuple[bool | None, str, str]] = _history_lines(result.get("history"))
    trusted = result["verdict"] != "inconclusive"
    for check in result["checks"]:
        value = figure(check["value"], check["unit"])
        if not is_on_measurement(check["name"]):
            lines.append((check["ok"], check["name"], value))
        elif check["ok"] is False:  # of these only what is not in order is worth a line
            limit = figure(check["limit"], check["unit"])
            lines.append((False if trusted else None, check["name"], f"{value}, limit {limit}"))
    lines.append(_fidelity_line(result))
    ops = result["ops"]
    lines.append(
        (
            True if ops["ok"] else None,
            "operations",
            _operations(ops, result.get("refused", 0), result["latency_s"]),
        )
    )
    if result["convergence"]:
        lines.append((True, "convergence", _convergence(result["convergence"])))
    width = max(len(name) for _, name, _ in lines)
    text = []
    for ok, name, value in lines:
        first, *others = value.splitlines() or [""]
        text.append(f"{_mark(ok, colour)} {name:<{width}}   {first}".rstrip())
        text += [f"     {' ' * width}   {other}" for other in others]
    verdict = result["verdict"]
    text.append(f"{_mark(_VERDICTS[verdict], colour)} {'verdict':<{width}}   {verdict}")
    text += [f"     {reason}" for reason in result["reasons"]]
    return "\n".join(text)


def _history_lines(history: Mapping[str, Any] | None) -> list[tuple[bool | None, str, str]]:
    """What the history proves, each check with the operations that prove it."""
    if history is None:
        return []
    return [(_VERDICTS[check["verdict"]], check["name"], check["text"]) for check in history["checks"]]


def _fidelity_line(result: Mapping[str, Any]) -> tuple[bool | None, str, str]:
    figures = result["fidelity"]
    if not figures["packets"]:
        return None, "fidelity", "no probe in a quiet window"
    judged = [check["ok"] for check in result["checks"] if check["name"].startswith(("fidelity", "no "))]
    text = (
        f"{figures['within_500us_ratio'] * 100:.4g} % of {figures['packets']:,} probes within 0.5 ms of the computed "
        f"time, median {duration(figures['median_s'])}, p99 {duration(figures['p99_s'])}"
    )
    ok = None if result["verdict"] == "inconclusive" and False in judged else all(judged)
    return ok, "fidelity", text


def _operations(ops: Mapping[str, int], refused: int, latency_s: Mapping[str, float | None]) -> str:
    text = f"{sum(ops.values()):,}: {ops['ok']:,} ok, "
    text += f"{refused:,} refused, " if refused else ""
    text += f"{ops['fail'] - refused:,} failed, {ops['unknown']:,} unknown"
    if latency_s["p50"] is not None and latency_s["p99"] is not None:
        text += f", p50 {duration(latency_s['p50'])}, p99 {duration(latency_s['p99'])}"
    return text


def _convergence(changes: Sequence[Mapping[str, Any]]) -> str:
    informed_s = [change["last_informed_after_s"] or 0.0 for change in changes]
    cut = sum(change["pairs"]["interrupted"] for change in changes)
    plural = "" if len(changes) == 1 else "s"
    text = f"{len(changes)} unplanned change{plural}, everybody informed within {duration(max(informed_s))}"
    return f"{text}, {cut} interruption{'' if cut == 1 else 's'} of a pair"


def _mark(ok: bool | None, colour: bool) -> str:
    return f"{_COLOURS[ok]}{_MARKS[ok]}\033[0m" if colour else _MARKS[ok]
