"""Histories on file: what a killed generator, a full disk or a damaged file leave is read as what it is."""

import json
import math
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from skyrack.history import NO_END, Header, HistoryError, HistoryWriter, read_history

HEADER = Header("kv", "kv", "runs/x", 7, "2026-11-29T12:00:00Z", {"keys": 2})


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Stands for a full disk: a write beyond `size` bytes of a file is cut short, the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a history may go."""
    return tmp_path / "history.jsonl"


def written(path: Path) -> None:
    """Three operations: one that happened, one that did not, one that nobody knows of."""
    with HistoryWriter(path, HEADER) as history:
        write = history.invoke(1, "london", "write", "x", 5, time_s=1.0, intended_s=0.9)
        read = history.invoke(2, "tokyo", "read", "x", time_s=1.1)
        history.ok(write, time_s=1.2)
        history.ok(read, 5, time_s=1.25)
        cas = history.invoke(1, "london", "cas", "x", [4, 6], time_s=1.3)
        history.fail(cas, time_s=1.4)
        delete = history.invoke(2, "tokyo", "delete", "x", time_s=1.5)
        history.unknown(delete, "no answer within 2 s", time_s=3.5)


def test_what_is_written_is_read(path: Path) -> None:
    written(path)
    history = read_history(path)
    assert history.header == HEADER
    assert not history.cut_short
    write, read, cas, delete = history.operations
    assert (write.value, write.outcome, write.intended_s, write.completed_s) == (5, "ok", 0.9, 1.2)
    assert write.latency_s == pytest.approx(0.3)
    assert (read.value, read.result, read.node, read.process) == (None, 5, "tokyo", 2)
    assert (cas.value, cas.outcome, cas.answered) == ([4, 6], "fail", True)
    assert (delete.outcome, delete.completed_s, delete.answered) == ("unknown", math.inf, False)
    assert delete.error == "no answer within 2 s"


def test_an_operation_is_on_file_before_it_is_sent(path: Path) -> None:
    history = HistoryWriter(path, HEADER)
    history.invoke(1, "london", "write", "x", 5, time_s=1.0)
    killed = read_history(path)  # what a generator that is killed here leaves
    history.close()
    assert killed.cut_short
    assert not killed.torn
    assert [(operation.outcome, operation.error) for operation in killed.operations] == [("unknown", NO_END)]


@pytest.mark.parametrize("lost", range(1, 60))
def test_a_torn_last_line_is_left_out_and_said(path: Path, lost: int) -> None:
    written(path)
    whole = path.read_bytes().rsplit(b"\n", 2)[0]  # without the end
    path.write_bytes(whole[:-lost])
    history = read_history(path)
    assert history.cut_short
    assert history.torn
    assert [operation.outcome for operation in history.operations] == ["ok", "ok", "fail", "unknown"]


def test_a_full_disk_keeps_whole_lines_and_says_how_many_operations_are_safe(path: Path) -> None:
    history = HistoryWriter(path, HEADER)
    first = history.invoke(1, "london", "write", "x", 5, time_s=1.0)
    second = history.invoke(2, "london", "write", "x", 6, time_s=1.0)
    history.ok(first, time_s=1.1)
    with disk_of(path.stat().st_size + 20):
        with pytest.raises(HistoryError, match=r"File too large; 2 operations are on file"):
            history.ok(second, time_s=1.2)
        with pytest.raises(HistoryError, match=r"2 operations are on file"):
            history.invoke(1, "london", "write", "x", 7, time_s=1.3)
    history.close()
    assert history.lost == 1
    read = read_history(path)
    assert read.cut_short
    assert not read.torn
    assert [operation.outcome for operation in read.operations] == ["ok", "unknown"]


def test_a_file_that_cannot_be_made_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="No such file or directory"):
        HistoryWriter(tmp_path / "nowhere" / "history.jsonl", HEADER)
    with pytest.raises(HistoryError, match="No such file or directory"):
        read_history(tmp_path / "history.jsonl")


@pytest.mark.parametrize(
    ("line", "changed", "said"),
    [
        (1, "", r"jsonl:1: expected a JSON object; found ''"),
        (1, "{}", r"jsonl:1: expected the header"),
        (1, '{"history": 2, "workload": "kv", "model": "kv"}', r"jsonl:1: written in version 2 .* reads 1"),
        (1, '{"history": 1, "workload": "kv"}', r"jsonl:1: the header has no model"),
        (1, '{"history": 1, "workload": "kv", "model": 3}', r"jsonl:1: model: found 3, expected str"),
        (2, '{"type": "invoke"}', r"jsonl:2: op: expected an integer; found nothing"),
        (3, "{", r"jsonl:3: expected a JSON object; found '\{'"),
        (3, "[]", r"jsonl:3: expected a JSON object; found '\[\]'"),
        (3, '{"type": "info"}', r"jsonl:3: expected an invoke, ok, fail, unknown or the end"),
        (3, {"op": 5}, r"jsonl:3: expected operation 1, the next one; found operation 5"),
        (3, {"process": 1}, r"jsonl:3: process 1 asks for operation 1; found it has operation 0 under way"),
        (4, {"op": 9}, r"jsonl:4: operation 9 ends; found no invocation"),
        (4, {"key": "y"}, r"jsonl:4: operation 0 was invoked with key 'x'; found 'y'"),
        (4, {"time_s": 0.5}, r"jsonl:4: operation 0 was invoked at 1.0 s; found an end before that"),
        (4, {"time_s": "now"}, r"jsonl:4: time_s: expected a number; found 'now'"),
        (10, {"operations": 3}, r"jsonl:10: 4 operations before the end; found 3"),
        (9, {"end": True, "type": "end", "operations": 4}, r"jsonl:10: expected nothing after the end"),
    ],
)
def test_damage_is_an_error_with_its_line(path: Path, line: int, changed: object, said: str) -> None:
    written(path)
    lines = path.read_text().splitlines()
    if isinstance(changed, dict):
        changed = json.dumps({**json.loads(lines[line - 1]), **changed})
    lines[line - 1] = str(changed)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(HistoryError, match=said):
        read_history(path)


def test_an_empty_file_is_no_history(path: Path) -> None:
    path.write_text("")
    with pytest.raises(HistoryError, match=r"jsonl:1: expected the header; found an empty file"):
        read_history(path)
    path.write_text('{"history": 1, "work')
    with pytest.raises(HistoryError, match=r"jsonl:1: expected the header; found .* part of a line"):
        read_history(path)
