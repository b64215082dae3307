"""What a journal has lost at its end costs that line alone, and an orchestrator that goes on finds all the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyrack.orchestrator.runtime.clock_journal import ClockJournal
from skyrack.orchestrator.runtime.fault_journal import FaultJournal
from skyrack.orchestrator.runtime.journal import Journal
from skyrack.orchestrator.timeline import Piece


@pytest.mark.parametrize("cut", [b'{"a": 2', b'{"a": 2, "b": "\xc3', b"\xff\xff", b"[2]\n", b'{"a": 2}'])
def test_a_line_that_was_cut_costs_no_other(cut: bytes, tmp_path: Path) -> None:
    """As by a disk that was full for a moment, or a kill: what comes next begins a line of its own."""
    path = tmp_path / "records.jsonl"
    journal = Journal(path)
    assert journal.read() is None
    journal.append([])
    assert not path.exists()
    journal.append([{"a": 0}, {"a": 1}])
    with path.open("ab") as file:
        file.write(cut)
    journal.append([{"a": 3}])
    journal.append([{"a": 4}])
    whole = [2] if cut == b'{"a": 2}' else []
    assert [record["a"] for record in journal.read() or ()] == [0, 1, *whole, 3, 4]


def test_a_journal_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    Journal(tmp_path / "nowhere" / "records.jsonl").append([{"a": 1}])


def test_clock_and_faults_are_read_past_what_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "clock.jsonl"
    clock = ClockJournal(path)
    clock.add(Piece(10.0, 10.0, 0.0), 60.0)
    with path.open("a") as file:
        file.write('{"run_s": 2')
    clock.add(Piece(20.0, 10.0, 60.0), 60.0)
    with path.open("a") as file:
        file.write('{"run_s": 30.0, "t_s": null, "speed": 1.0, "set_speed": 1.0}\n')
    assert clock.read() == [(Piece(10.0, 10.0, 0.0), 60.0), (Piece(20.0, 10.0, 60.0), 60.0)]
    faults = FaultJournal(tmp_path / "faults.jsonl")
    faults.begun(["f1"])
    assert faults.read() == [], "of one that was never entered nothing is known"
