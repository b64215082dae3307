"""What a verification found, as lines for a terminal and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from skyrack.orchestrator.measure.verdict import NOT_FAITHFUL
from skyrack.orchestrator.report.words import duration

HEADERS = ("WHAT", "QUANTITY", "EXPECTED", "MEASURED", "ERROR", "SAMPLES", "RESULT")
COLUMNS = ("kind", "name", "quantity", "expected", "measured", "error", "unit", "samples", "ok", "note")
# Of each quantity so many rows that are off by anything are shown, the worst first; failed ones always.
SHOWN = 3
_NAMES = {
    ("pair", "rtt"): "round trips of pairs",
    ("pair", "outage"): "outages of pairs",
    ("pair", "loss"): "losses of pairs",
    ("link", "loss"): "losses of links",
    ("link", "delay"): "delays of links",
    ("way", "rate"): "rates of links",
    ("pair", "train"): "packet trains",
}
_RESULTS = {True: "pass", False: "FAIL", None: "-"}
_MARKS = {True: " ok ", False: "BAD ", None: " ?? "}
_COLOURS = {True: "\033[32m", False: "\033[1;31m", None: "\033[33m"}
_VERDICTS: dict[str, tuple[bool | None, str]] = {
    "ok": (True, "faithful"),
    "bad": (False, "wrong"),
    "inconclusive": (None, "inconclusive"),
}


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Every row, in base units."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = {**row, "ok": {True: "pass", False: "fail", None: ""}[row["ok"]]}
        writer.writerow(["" if cells[column] is None else cells[column] for column in COLUMNS])
    return out.getvalue()


def table(rows: Sequence[Mapping[str, Any]], *, everything: bool) -> tuple[list[list[str]], int]:
    """Cells under HEADERS, and how many rows were left out."""
    shown: list[list[str]] = []
    for key in _NAMES:
        group = _of(rows, key)
        failed = [row for row in group if row["ok"] is False]
        others = [row for row in group if row["ok"] is not False]
        if not everything:
            others = [row for row in others[:SHOWN] if row["error"]]
        shown += [_cells(row) for row in failed + others]
    return shown, len(rows) - len(shown)


def summary(document: Mapping[str, Any], *, colour: bool = False) -> list[str]:
    """Lines ` ok  name   value`: each quantity, the errors beside the host's floor, the verdict and its reasons."""
    lines = [line for key in _NAMES if (line := _quantity_line(_of(document["rows"], key), _NAMES[key]))]
    lines += _figure_lines(document)
    lines += [
        (check["ok"], check["name"], f"{check['value']:g} {check['unit']}, limit {check['limit']:g}")
        for check in document["checks"]
        if check["name"].startswith(("quiet host", "fabric")) and check["ok"] is False
    ]
    ok, word = _VERDICTS[document["verdict"]]
    if ok is None and any(reason.startswith(NOT_FAITHFUL) for reason in document["reasons"]):
        word = NOT_FAITHFUL
    lines.append((ok, "verdict", word))
    width = max(len(name) for _, name, _ in lines)
    text = [f"{_mark(mark, colour)} {name:<{width}}   {value}" for mark, name, value in lines]
    return text + [f"     {reason}" for reason in document["reasons"]]


def _of(rows: Iterable[Mapping[str, Any]], key: tuple[str, str]) -> list[Mapping[str, Any]]:
    group = [row for row in rows if (row["kind"], row["quantity"]) == key]
    return sorted(group, key=lambda row: (row["ok"] is None, -abs(row["error"] or 0.0)))


def _quantity_line(group: Sequence[Mapping[str, Any]], name: str) -> tuple[bool | None, str, str] | None:
    if not group:
        return None
    judged = [row for row in group if row["ok"] is not None]
    failed = sum(row["ok"] is False for row in judged)
    text = f"{len(judged) - failed:,} of {len(group):,} pass"
    text += f", {failed:,} FAIL" if failed else ""
    text += f", {len(group) - len(judged):,} not judged" if len(judged) < len(group) else ""
    if judged and judged[0]["error"] is not None:
        text += f", worst {_error(judged[0])} ({judged[0]['name']})"
    return (False if failed else True if judged else None), name, text


def _figure_lines(document: Mapping[str, Any]) -> list[tuple[bool | None, str, str]]:
    mesh, floor = document["fidelity"], document["floor"]
    checks = {check["name"]: check["ok"] for check in document["checks"]}
    lines: list[tuple[bool | None, str, str]] = []
    if floor is not None and floor["median_s"] is not None:
        lines.append((True, "host's floor", f"{_median_p99(floor)} over {floor['packets']:,} quiet probes"))
    if mesh["median_s"] is not None:
        text = f"{_median_p99(mesh)} over {mesh['packets']:,} quiet probes"
        beyond = [ok for name, ok in checks.items() if "beyond the host's floor" in name]
        if floor is not None and floor["median_s"] is not None:
            by = [mesh[key] - floor[key] for key in ("median_s", "p99_s")]
            text += f": {duration(by[0])} and {duration(by[1])} beyond the floor"
        lines.append((None if None in beyond else all(beyond), "errors of round trips", text))
    probes = mesh["packets"] + mesh["false_outages"] + mesh["expected_losses"] + mesh["unexpected_replies"]
    everything = document["all_seconds"]["mesh"]
    if everything["probes"] > probes and everything["median_s"] is not None:
        lines.append((None, "in all seconds", _in_all_seconds(document["all_seconds"])))
    text = (
        f"{mesh['false_outages']:,} of {probes:,} quiet probes, {everything['false_outages']:,} of "
        f"{everything['probes']:,} in all; {mesh['expected_losses']:,} rightly lost, "
        f"{mesh['unexpected_replies']:,} answered without a way"
    )
    lines.append((not (mesh["false_outages"] or mesh["unexpected_replies"]), "false outages", text))
    return lines


def _in_all_seconds(found: Mapping[str, Any]) -> str:
    """Of a run that had noisy seconds."""
    text = f"{_median_p99(found['mesh'])} over {found['mesh']['probes']:,} probes, quiet or not"
    floor = found["floor"]
    return text if floor is None or floor["median_s"] is None else f"{text}; floor {_median_p99(floor)}"


def _median_p99(figures: Mapping[str, Any]) -> str:
    return f"median {duration(figures['median_s'])}, p99 {duration(figures['p99_s'])}"


def _cells(row: Mapping[str, Any]) -> list[str]:
    result = _RESULTS[row["ok"]] + (f"  {row['note']}" if row["note"] else "")
    return [
        row["name"],
        row["quantity"],
        _value(row["expected"], row["unit"]),
        _value(row["measured"], row["unit"]),
        _error(row) if row["error"] is not None else "-",
        f"{row['samples']:,}",
        result,
    ]


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "s":
        return f"{value * 1e3:.3f} ms"
    if unit == "ratio":
        return f"{value * 100:.3f} %"
    return f"{value / 1e6:.6g} Mbit/s"


def _error(row: Mapping[str, Any]) -> str:
    error: float = row["error"]
    if row["unit"] == "bit/s":
        return f"{error / row['expected'] * 100:+.3f} %"
    return f"{error * 1e3:+.3f} ms" if row["unit"] == "s" else f"{error * 100:+.3f} %"


def _mark(ok: bool | None, colour: bool) -> str:
    return f"{_COLOURS[ok]}{_MARKS[ok]}\033[0m" if colour else _MARKS[ok]
