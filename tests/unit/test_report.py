"""What a result says: to programs, on a terminal, in a browser."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from skyrack.orchestrator.measure.counters import FabricFigures
from skyrack.orchestrator.measure.fidelity import Fidelity, Sample
from skyrack.orchestrator.measure.host import HostSummary, Window
from skyrack.orchestrator.measure.operations import Operation, Threshold
from skyrack.orchestrator.measure.verdict import decide
from skyrack.orchestrator.report import result, terminal
from skyrack.orchestrator.report.html import Page, page
from skyrack.orchestrator.report.svg import ticks
from skyrack.orchestrator.report.words import duration, figure

FIDELITY = Fidelity(
    median_s=1e-4, p99_s=4e-4, within_500us_ratio=0.9998, false_outages=0, packets=1004, bias_s=1e-4
)
HOST = HostSummary(3, 3, 0.0, 0.8, 5e-4, 0.05, {})
FABRIC = FabricFigures(5e-6, float("inf"), 1e-4, 0, 0, 0.05, 5000, {"queue": 0})
OPERATIONS = [Operation(k / 10, k / 10 + 0.1, "ok") for k in range(30)] + [Operation(1.0, 6.0, "unknown")]
RUN: dict[str, Any] = {
    "name": "<script>alert(1)</script>",
    "start": "2026-01-01T00:00:00+00:00",
    "speed": 1.0,
    "started_s": 0.0,
    "workload": {
        "kind": "echo", "pairs": [["a", "b"]], "rate_hz": 10.0, "payload_bytes": 64, "spacing": "fixed", "probe_rate_hz": 50.0,
        "probe_bytes": 64, "duration_s": 3.0,
    },
    "faults": [{"at_s": 1.0, "words": "kill:b@1s", "entry": {"kind": "kill", "nodes": ["b"]}}],
    "scheduler": "fifo",
}  # fmt: skip
CHANGE: dict[str, Any] = {
    "seq": 2, "run_s": 1.3, "event": "convergence", "change": "loss", "since_s": 1.0, "nodes": ["<u>c</u>"], "links": [],
    "detected_after_s": 0.152, "last_informed_after_s": 0.27, "packets_dropped": {"dark": 7, "loop": 0},
    "pairs": {
        "working_before": 380, "interrupted": 12, "restored_after_s": {"median": 0.16, "most": 0.2},
        "longest": [{"from": "a", "to": "b", "path": ["a", "d", "b"]}],
    },
}  # fmt: skip
STATUS = {"nodes": [{"kind": "satellite", "inhabited": True}], "links": {"laser": 1, "ground": 0}}


def document(fidelity: Fidelity = FIDELITY, holds: bool = False) -> dict[str, Any]:
    threshold = Threshold("availability >= 99 %", holds, 0.967, 0.99, "ratio", holds)
    decision = decide(fidelity=fidelity, host=HOST, fabric=FABRIC, thresholds=[threshold])
    return result.build(decision, OPERATIONS, fidelity, HOST, FABRIC, RUN, [CHANGE])


HISTORY: dict[str, Any] = {
    "verdict": "bad", "model": "kv", "operations": {"ok": 30, "fail": 0, "unknown": 1},
    "checks": [
        {"name": "linearizable", "verdict": "ok", "text": "31 operations on 2 keys", "operations": [], "figures": {}},
        {"name": "no acknowledged write lost", "verdict": "bad", "text": "1 lost\n<b>w 5</b>", "operations": [3]},
    ],
    "recovery": [],
}  # fmt: skip


def judged() -> dict[str, Any]:
    decision = decide(
        fidelity=FIDELITY, host=HOST, fabric=FABRIC, broken=["no acknowledged write lost: 1 lost"]
    )
    return result.build(decision, OPERATIONS, FIDELITY, HOST, FABRIC, RUN, history=HISTORY)


def html(name: str = RUN["name"], **more: Any) -> str:
    return page(
        Page(
            result={**document(), **more, "run": {**RUN, "name": name}},
            status=STATUS,
            operations=OPERATIONS,
            failures=[(1.0, "unknown", "<b>UNAVAILABLE</b>")],
            samples=[Sample("a>b", 0.1, 0.0301, 0.03, ("a", "b"))],
            windows=[
                Window(k, k + 1.0, 0.0, 0.9, 1e-4, 3e-4, 1e-3, waits_ratio={"fabric": 0.0}) for k in range(3)
            ],
            events=[{"seq": 1, "run_s": 1.0, "event": "node_dark", "node": "<i>b</i>"}],
        )
    )


def test_result_json_has_the_contracted_shape_and_is_strict_json() -> None:
    text = result.dump(document())
    found = json.loads(text, parse_constant=lambda constant: pytest.fail(constant))
    assert set(found) >= {"verdict", "checks", "ops", "latency_s", "fidelity"}
    assert found["verdict"] in ("ok", "bad", "inconclusive")
    assert all(set(check) == {"name", "ok", "value", "limit", "unit"} for check in found["checks"])
    assert found["ops"] == {"ok": 30, "fail": 0, "unknown": 1}
    assert set(found["latency_s"]) == {"p50", "p90", "p99", "max"}
    assert set(found["fidelity"]) == {"median_s", "p99_s", "within_500us_ratio", "false_outages", "packets"}


def test_the_terminal_names_thresholds_fidelity_and_the_reason() -> None:
    text = terminal.render(document())
    assert text.splitlines()[0].split() == ["BAD", "availability", ">=", "99", "%", "96.7", "%"]
    assert "99.98 % of 1,004 probes within 0.5 ms" in text
    assert "\033" not in text


def test_the_terminal_shows_a_doubtful_check_as_a_doubt() -> None:
    text = terminal.render(document(replace(FIDELITY, packets=40), holds=True))
    assert "BAD" not in text
    assert " ??  fabric lateness p99" in text


def test_the_report_needs_nothing_else_and_is_well_formed() -> None:
    text = html()
    assert "src=" not in text
    assert "href=" not in text
    assert "@import" not in text
    assert "url(#" in text
    assert text.count("url(") == text.count("url(#")
    open_tags: list[str] = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag != "meta":
                open_tags.append(tag)

        def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            pass

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Balance().feed(text)
    assert open_tags == []


def test_the_report_escapes_every_value_from_outside() -> None:
    text = html()
    for hostile in ("<script>", "<b>UNAVAILABLE", "<i>b", "<u>c"):
        assert hostile not in text


def test_result_report_and_terminal_say_what_an_unplanned_change_cost() -> None:
    assert document()["convergence"] == [CHANGE]
    assert "1 unplanned change, everybody informed within 270 ms, 12 interruptions" in terminal.render(
        document()
    )
    for words in ("152 ms", "7 dark", "12 of 380", "160 ms, at most 200 ms", "a &gt; d &gt; b"):
        assert f"<td>{words}</td>" in html()


def test_a_broken_promise_stands_first_with_the_operations_that_prove_it() -> None:
    found = judged()
    assert found["verdict"] == "bad"
    lines = terminal.render(found).splitlines()
    assert lines[1].split() == ["BAD", "no", "acknowledged", "write", "lost", "1", "lost"]
    assert lines[2].strip() == "<b>w 5</b>"
    text = html(history=HISTORY)
    assert "1 lost<br>&lt;b&gt;w 5&lt;/b&gt;" in text
    assert "Of model kv" in text


def test_each_node_that_asked_has_its_own_figures() -> None:
    here = [Operation(k / 10, k / 10 + 0.1, "ok", "a") for k in range(3)]
    there = [Operation(0.0, 0.4, "fail", "b"), Operation(1.0, 3.0, "unknown", "b", "time-out")]
    found = result.build(
        decide(fidelity=FIDELITY, host=HOST, fabric=FABRIC), [*here, *there], FIDELITY, HOST, FABRIC, RUN
    )
    assert found["nodes"]["a"]["operations"] == {"ok": 3, "fail": 0, "unknown": 0}
    assert found["nodes"]["a"]["availability_ratio"] == 1.0
    assert found["nodes"]["b"]["availability_ratio"] == 0.5, "the service's own no is an answer"
    assert found["nodes"]["b"]["latency_s"]["max"] == 0.4
    assert "5: 3 ok, 1 refused, 0 failed, 1 unknown" in terminal.render(found)
    assert "<td>b</td><td>2</td><td>0</td><td>1</td><td>0</td><td>1</td>" in html(nodes=found["nodes"])


def test_the_report_can_be_made_of_nothing() -> None:
    empty = replace(FIDELITY, median_s=None, p99_s=None, within_500us_ratio=None, packets=0, bias_s=None)
    decision = decide(fidelity=empty, host=replace(HOST, windows=0, quiet_windows=0), fabric=FABRIC)
    nothing = result.build(decision, [], empty, HOST, FABRIC, RUN)
    text = page(Page(nothing, STATUS, [], [], [], [], []))
    assert "inconclusive" in text
    assert "no probe in a quiet window" in terminal.render(nothing)


def test_figures_read_well() -> None:
    assert figure(0.2119, "s") == "212 ms"
    assert figure(0.967, "ratio") == "96.7 %"
    assert figure(1, "probes") == "1 probe"
    assert figure(None, "s") == "not measured"
    assert [duration(s) for s in (0.0, 91.7e-6, 0.00041, 2.45)] == ["0 ms", "91.7 us", "0.41 ms", "2.45 s"]


def test_ticks_are_round_and_inside_the_range() -> None:
    assert ticks(0.0, 1.0, 5) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(-0.2, 1.3, 5) == [0.0, 0.5, 1.0]
