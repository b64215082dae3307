"""report.html: one file that needs nothing else, in light and dark. Every value from outside is escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

from skyrack.orchestrator.measure.fidelity import Sample
from skyrack.orchestrator.measure.host import QuietTimes, Window
from skyrack.orchestrator.measure.operations import Operation
from skyrack.orchestrator.report import charts, convergence
from skyrack.orchestrator.report.words import duration, figure, is_on_measurement

_MOST_EVENTS = 60
_MOST_ERRORS = 8
_SAYS = {
    "ok": "Everything that was checked holds, and the host was quiet enough to say so.",
    "bad": "Something that was checked does not hold.",
    "inconclusive": "The run cannot be trusted to say. The reasons are below; run it again on a quieter machine.",
}
_CONVERGENCE = (
    "Unplanned changes: who is beside one notices first, the news floods, and each node changes its routes when it "
    "has heard. Packets are those that the whole mesh dropped, or sent back, until the last had heard."
)
_NODES = "Latencies count from the intended start; an operation is available when the service answered it, with yes or no."
_WORDS: dict[bool | None, tuple[str, str]] = {
    True: ("good", "ok"),
    False: ("bad", "bad"),
    None: ("unsure", "not judged"),
}


@dataclass(frozen=True, slots=True)
class Page:
    """What the report shows: the result, the run's status, and the raw material of the drawings."""

    result: Mapping[str, Any]
    status: Mapping[str, Any]
    operations: Sequence[Operation]
    failures: Sequence[tuple[float, str, str]]
    samples: Sequence[Sample]
    windows: Sequence[Window]
    events: Sequence[Mapping[str, Any]]


def page(p: Page) -> str:
    """The whole document."""
    result, run = p.result, p.result["run"]
    verdict = result["verdict"]
    start_s = run["started_s"]
    windows = [w for w in p.windows if w.end_s > start_s]
    style = files("skyrack.orchestrator.report").joinpath("style.css").read_text(encoding="utf-8")
    sections = [
        _section("Checks", _checks(result["checks"], verdict)),
        _section("History", *_history(result["history"])) if result.get("history") else "",
        _section("From each node", _nodes(result["nodes"]), _NODES) if result.get("nodes") else "",
        _section(
            "Latency over time",
            charts.latency_over_time(p.operations, windows, p.events, start_s),
            "One dot per answered operation, counted from its intended start. Failed (red) and unknown (amber) operations lie "
            "along the top; shaded seconds were noisy.",
        ),
        _section("Latency distribution", charts.latency_distribution(p.operations)),
        _section(
            "Fidelity",
            charts.fidelity_histogram(p.samples, QuietTimes(windows)),
            _fidelity_text(result),
        ),
        _section("Host", charts.host_strip(windows, start_s), _host_text(result)),
        _section("Convergence", _convergence(result["convergence"], start_s), _CONVERGENCE)
        if result["convergence"]
        else "",
        _section("Events", _events(p.events, start_s)),
        _section("Errors", _errors(p.failures)) if p.failures else "",
        _section("What was run", _summary(p.status, run)),
    ]
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in result["reasons"])
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(run["name"])}: {escape(verdict)}</title>
<style>{style}</style>
</head>
<body>
<header class="{escape(verdict)}">
<p class="brand">Skyrack</p>
<h1>{escape(run["name"])} <span class="verdict">{escape(verdict)}</span></h1>
<p class="says">{_SAYS[verdict]}</p>
{f"<ul>{reasons}</ul>" if reasons else ""}
{_tiles(result)}
</header>
<main>
{"".join(sections)}
</main>
<footer>Raw data beside this file: history.jsonl, probes.jsonl, host.jsonl, fabric.jsonl, events.jsonl, result.json.</footer>
</body>
</html>
"""


def _section(title: str, body: str, text: str = "") -> str:
    caption = f"<p>{escape(text)}</p>" if text else ""
    return f"<section><h2>{escape(title)}</h2>{caption}{body}</section>\n"


def _tiles(result: Mapping[str, Any]) -> str:
    ops, latency, fidelity = result["ops"], result["latency_s"], result["fidelity"]
    total = sum(ops.values())
    answered = ops["ok"] + result["refused"]
    share = f"{answered / total * 100:.4g} % answered" if total else "none"
    within = fidelity["within_500us_ratio"]
    tiles = [
        ("operations", f"{total:,}", share),
        ("latency p50", figure(latency["p50"], "s"), f"p99 {figure(latency['p99'], 's')}"),
        ("fidelity median", figure(fidelity["median_s"], "s"), f"p99 {figure(fidelity['p99_s'], 's')}"),
        (
            "within 0.5 ms",
            "-" if within is None else f"{within * 100:.4g} %",
            f"{fidelity['packets']:,} probes judged",
        ),
        ("quiet seconds", f"{result['host']['quiet_windows']}", f"of {result['host']['windows']}"),
    ]
    cells = "".join(
        f'<div class="tile"><p>{escape(name)}</p><b>{escape(value)}</b><small>{escape(note)}</small></div>'
        for name, value, note in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _checks(checks: Iterable[Mapping[str, Any]], verdict: str) -> str:
    rows = []
    for check in checks:
        css, word = _WORDS[check["ok"]]
        if check["ok"] is False and verdict == "inconclusive" and is_on_measurement(check["name"]):
            css, word = "unsure", "in doubt"
        rows.append(
            (
                f'<span class="mark {css}">{word}</span>',
                escape(check["name"]),
                escape(figure(check["value"], check["unit"])),
                escape(figure(check["limit"], check["unit"])),
            )
        )
    return _table(("", "check", "value", "limit"), rows)


def _history(history: Mapping[str, Any]) -> tuple[str, str]:
    """What the history proves, and on what."""
    rows = [
        (
            f'<span class="mark {css}">{word}</span>',
            escape(check["name"]),
            "<br>".join(escape(line) for line in check["text"].splitlines()),
        )
        for check in history["checks"]
        for css, word in [_WORDS[{"ok": True, "bad": False, "inconclusive": None}[check["verdict"]]]]
    ]
    return _table(
        ("", "check", ""), rows
    ), f"Of model {history['model']}, on every operation in history.jsonl."


def _nodes(nodes: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for node, found in nodes.items():
        counts, latency = found["operations"], found["latency_s"]
        rows.append(
            (
                escape(node),
                f"{sum(counts.values()):,}",
                f"{counts['ok']:,}",
                f"{found['refused']:,}",
                f"{counts['fail'] - found['refused']:,}",
                f"{counts['unknown']:,}",
                *(figure(latency[name], "s") for name in ("p50", "p99", "max")),
                figure(found["availability_ratio"], "ratio"),
            )
        )
    head = ("node", "operations", "ok", "refused", "failed", "unknown", "p50", "p99", "max", "availability")
    return _table(head, rows)


def _convergence(changes: Iterable[Mapping[str, Any]], start_s: float) -> str:
    return _table(
        convergence.HEAD, [tuple(map(escape, convergence.row(change, start_s))) for change in changes]
    )


def _events(events: Sequence[Mapping[str, Any]], start_s: float) -> str:
    if not events:
        return "<p>Nothing happened to the run meanwhile.</p>"
    rows = []
    for event in events[:_MOST_EVENTS]:
        rest = {k: v for k, v in event.items() if k not in ("seq", "run_s", "event", "node", "pairs")}
        detail = ", ".join(f"{key} {value}" for key, value in rest.items())
        rows.append(
            (
                f"{event['run_s'] - start_s:+.3f} s",
                escape(str(event["event"]).replace("_", " ")),
                escape(str(event.get("node", ""))),
                escape(detail),
            )
        )
    more = len(events) - len(rows)
    note = f"<p>{more:,} more in events.jsonl.</p>" if more > 0 else ""
    return _table(("since the start", "event", "node", ""), rows) + note


def _errors(failures: Sequence[tuple[float, str, str]]) -> str:
    counted = Counter((kind, error) for _, kind, error in failures)
    rows = [
        (
            f"{count:,}",
            f'<span class="mark {"bad" if kind == "fail" else "unsure"}">{escape(kind)}</span>',
            escape(error),
        )
        for (kind, error), count in counted.most_common(_MOST_ERRORS)
    ]
    return _table(("operations", "outcome", "error"), rows)


def _fidelity_text(result: Mapping[str, Any]) -> str:
    probes = result["probes"]
    text = (
        f"{result['fidelity']['packets']:,} probes in quiet seconds are judged, {probes['noisy']:,} in noisy ones left out; "
        f"{result['fidelity']['false_outages']} false outages, {probes['expected_losses']:,} losses as computed."
    )
    if probes["bias_s"] is not None:
        text += f" The signed median is {duration(probes['bias_s'])}."
    return text


def _host_text(result: Mapping[str, Any]) -> str:
    host = result["host"]
    text = f"{host['quiet_windows']} of {host['windows']} seconds were quiet."
    if host["noise"]:
        text += (
            " Disturbed by: "
            + ", ".join(f"{kind} ({count} s)" for kind, count in host["noise"].items())
            + "."
        )
    return text


_OTHERS_ON_GROUND = (("pop", "points of presence"), ("user", "user terminals"))


def _summary(status: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    nodes = status["nodes"]
    kinds = Counter(node["kind"] for node in nodes)
    inhabited = sum(bool(node["inhabited"]) for node in nodes if node["kind"] == "satellite")
    workload = run["workload"]
    pairs = [f"{a} > {b}" for a, b in workload["pairs"]]
    size = f" of {workload['payload_bytes']:,} bytes" if "payload_bytes" in workload else ""
    faults = ", ".join(fault["words"] for fault in run["faults"]) or "none"
    rows = [
        ("scenario", run["name"]),
        ("orbit start", run["start"]),
        ("speed", f"{run['speed']:g}"),
        ("satellites", f"{kinds['satellite']:,}, {inhabited:,} inhabited"),
        ("ground stations", str(kinds["ground"])),
        *((what, str(kinds[kind])) for kind, what in _OTHERS_ON_GROUND if kinds[kind]),
        ("links", f"{status['links']['laser']:,} lasers, {status['links']['ground']:,} ground links"),
        (
            "load",
            f"{workload['kind']}, {workload['rate_hz']:g} operations/s{size}, {workload['spacing']}",
        ),
        *_clients(workload),
        ("probes", f"{workload['probe_rate_hz']:g} per second of {workload['probe_bytes']} bytes"),
        ("duration", f"{workload['duration_s']:g} s"),
        ("pairs", ", ".join(pairs[:24]) + (f" and {len(pairs) - 24} more" if len(pairs) > 24 else "")),
        ("faults", faults),
        ("fabric scheduler", str(run["scheduler"] or "unknown")),
    ]
    return _table(None, [(escape(name), escape(str(value))) for name, value in rows])


def _clients(workload: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of a workload against a service."""
    if "service" not in workload:
        return []
    return [
        (
            "service",
            f"{workload['service']} at {', '.join(workload['members'])}, by adapter {workload['adapter']}",
        ),
        ("clients", f"{workload['clients']} at {', '.join(workload['nodes'])}"),
        (
            "options",
            ", ".join(f"{name} {value}" for name, value in workload["options"].items()) or "defaults",
        ),
    ]


def _table(head: Sequence[str] | None, rows: Iterable[Sequence[str]]) -> str:
    """Cells of `rows` are markup already; a first cell without a head is the row's title."""
    top = (
        "<thead><tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr></thead>" if head else ""
    )
    body = []
    for row in rows:
        first = f"<th>{row[0]}</th>" if head is None else f"<td>{row[0]}</td>"
        body.append("<tr>" + first + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>")
    return f'<div class="scroll"><table>{top}<tbody>{"".join(body)}</tbody></table></div>'
