"""What a verification prints: failures always, of the rest the worst; nothing that was measured is left out of the CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, replace
from typing import Any

from skyrack.orchestrator.measure.conformance import Row
from skyrack.orchestrator.measure.fidelity import Fidelity
from skyrack.orchestrator.report.verify_text import COLUMNS, SHOWN, as_csv, summary, table

RTT = Row("pair", "a>b", "rtt", 0.1, 0.1001, 1e-4, "s", 30, True)
ROWS = [asdict(replace(RTT, name=f"a>n{k}", error=k * 1e-5)) for k in range(10)]
FAILED = asdict(Row("way", "a>b", "rate", 1e9, 5e8, -5e8, "bit/s", 2, False, "50.0% off"))
OPEN = asdict(Row("way", "b>a", "rate", 1e5, None, None, "bit/s", 1, None, "a packet train tells it"))
FIGURES = asdict(Fidelity(1.2e-4, 4e-4, 1.0, 0, 500, expected_losses=3))


def document(**changes: Any) -> dict[str, Any]:
    found = {
        "verdict": "ok", "checks": [], "reasons": [], "rows": [*ROWS, FAILED, OPEN], "fidelity": FIGURES,
        "all_seconds": {
            "mesh": {"probes": 900, "false_outages": 1, "median_s": 2e-4, "p99_s": 2e-3},
            "floor": {"probes": 200, "false_outages": 0, "median_s": 1e-4, "p99_s": 1e-3},
        },
        "floor": FIGURES | {"median_s": 5e-5, "p99_s": 1e-4},
    }  # fmt: skip
    return found | changes


def test_the_worst_of_each_quantity_and_every_failure_are_shown_and_the_rest_is_counted() -> None:
    cells, left_out = table([*ROWS, *[FAILED] * 5], everything=False)
    assert [row[0] for row in cells[:SHOWN]] == ["a>n9", "a>n8", "a>n7"]
    assert sum(row[-1].startswith("FAIL") for row in cells) == 5
    assert left_out == 10 - SHOWN
    assert len(table(ROWS, everything=True)[0]) == 10
    exact = [row | {"error": 0.0} for row in ROWS]
    assert table(exact, everything=False) == ([], 10)


def test_units_are_those_people_read() -> None:
    cells, _ = table([asdict(RTT), FAILED], everything=True)
    assert cells[0][2:] == ["100.000 ms", "100.100 ms", "+0.100 ms", "30", "pass"]
    assert cells[1][2:] == ["1000 Mbit/s", "500 Mbit/s", "-50.000 %", "2", "FAIL  50.0% off"]


def test_csv_has_every_row_in_base_units() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv([*ROWS, FAILED, OPEN]))))
    assert len(rows) == 12
    assert tuple(rows[0]) == COLUMNS
    assert float(rows[9]["error"]) == 9e-5
    assert [row["ok"] for row in rows[-3:]] == ["pass", "fail", ""]
    assert rows[-1]["measured"] == ""


def test_the_summary_names_quantities_floor_errors_and_the_verdict_with_its_reasons() -> None:
    lines = summary(document(verdict="inconclusive", reasons=["not faithful: host not quiet"]))
    text = "\n".join(lines)
    assert lines[0].startswith(" ok  round trips of pairs")
    assert "10 of 10 pass, worst +0.090 ms (a>n9)" in lines[0]
    assert "BAD  rates of links" in text
    assert "1 FAIL, 1 not judged" in text
    assert "median 0.2 ms, p99 2 ms over 900 probes, quiet or not; floor median 0.1 ms, p99 1 ms" in text
    assert "70 us and 0.3 ms beyond the floor" in text
    assert "0 of 503 quiet probes, 1 of 900 in all; 3 rightly lost, 0 answered without a way" in text
    assert lines[-2].endswith("   not faithful")
    assert summary(document(verdict="inconclusive", reasons=["cut short"]))[-2].endswith("   inconclusive")
    assert lines[-1] == "     not faithful: host not quiet"


def test_a_run_without_a_quiet_second_still_has_its_summary() -> None:
    none = FIGURES | {"median_s": None, "p99_s": None, "packets": 0}
    assert summary(document(fidelity=none, floor=none, rows=[]))[-1].endswith("faithful")
