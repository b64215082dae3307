"""`skyrack check`: judge a history that is on file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from skyrack.orchestrator.cli.console import Format, Output, note, print_json
from skyrack.orchestrator.cli.exits import BAD, FINE, INCONCLUSIVE, USAGE, Problem

_STATUS = {"ok": FINE, "bad": BAD, "inconclusive": INCONCLUSIVE}
_HISTORY, _EVENTS = "history.jsonl", "events.jsonl"
_LARGE_BYTES = 20_000_000  # what takes seconds, so that somebody wonders


def check(
    history: Annotated[Path, typer.Argument(help="A history, or the directory of a run that has one.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="Judge it as append, bank, echo, kv, queue, register or set; as its header says, if not given.",
            show_default=False,
        ),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(
            help="What happened meanwhile; events.jsonl beside the history, if not given.", show_default=False
        ),
    ] = None,
    key: Annotated[str | None, typer.Option(help="Look at this key alone.", show_default=False)] = None,
    most_states: Annotated[
        int,
        typer.Option(
            min=1, help="Configurations remembered per key before the answer is inconclusive; 0.2 kB each."
        ),
    ] = 500_000,
    output: Output = Format.TABLE,
) -> int:
    """Judge a history: linearizability, lost writes, sessions, availability, recovery. Exits with 0 ok, 3 bad, 4 inconclusive.

    A history that was cut short is judged, too, and said to be so. One that is damaged is refused with its line.
    """
    from skyrack.check import CheckError
    from skyrack.check import check as judge
    from skyrack.history import HistoryError, read_history

    path = history / _HISTORY if history.is_dir() else history
    large = path.is_file() and path.stat().st_size > _LARGE_BYTES
    if large:
        note(f"reading {path.stat().st_size / 1e6:,.0f} MB")
    try:
        found = read_history(path)
    except HistoryError as error:
        hint = "" if path.exists() else "HISTORY is a file, or a run directory with history.jsonl in it"
        raise Problem(str(error), hint=hint, status=USAGE) from error
    if large:
        note(f"judging {len(found.operations):,} operations")
    if events is None and (beside := path.parent / _EVENTS).exists():
        events = beside
    try:
        report = judge(found, model, _records(events) if events else (), key=key, most_states=most_states)
    except CheckError as error:
        raise Problem(f"{path}: {error}", status=USAGE) from error
    if output is Format.JSON:
        print_json(report.to_json())
    else:
        print(report)
    return _STATUS[report.verdict]


def _records(path: Path) -> list[dict[str, Any]]:
    """The records of events.jsonl; the last line may be incomplete, as a run that was killed leaves it."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise Problem(f"cannot read {path}: {error.strerror}", status=USAGE) from error
    records = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines) and not line.endswith(b"\n"):
                break
            raise Problem(f"{path}:{number}: expected a JSON object", status=USAGE) from error
        if not isinstance(record, dict) or not isinstance(record.get("event"), str):
            raise Problem(f'{path}:{number}: expected an object with "run_s" and "event"', status=USAGE)
        if not isinstance(record.get("run_s"), int | float):
            raise Problem(f"{path}:{number}: run_s: expected a number", status=USAGE)
        records.append(record)
    return records
