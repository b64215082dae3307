"""Log lines are JSON whatever is logged, and a disk that cannot take them harms nobody."""

import asyncio
import json
import logging
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.node.logs import JsonLines, fields


def record(msg: str, **values: object) -> logging.LogRecord:
    return logging.getLogger("t").makeRecord(
        "t", logging.WARNING, "f.py", 1, msg, (), None, extra=fields(**values)
    )


def test_a_line_has_time_level_node_msg_and_fields(tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl"
    JsonLines("p3s07", str(path)).emit(record("attached", index=3))
    line = json.loads(path.read_text())
    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "warning", "node": "p3s07", "msg": "attached", "fields": {"index": 3}}


@given(st.text(st.characters()))
def test_any_text_stays_one_line_of_json(text: str) -> None:
    read_fd, write_fd = os.pipe()
    try:
        JsonLines("n", f"/proc/self/fd/{write_fd}").emit(record("m", text=text))
        data = os.read(read_fd, 1 << 20)
    finally:
        os.close(read_fd)
        os.close(write_fd)
    assert data.count(b"\n") == 1
    assert json.loads(data)["msg"] == "m"


def test_a_full_disk_is_counted_not_raised() -> None:
    lines = JsonLines("n", "/dev/full")
    lines.emit(record("lost"))
    lines.emit(record("lost too"))
    assert lines.file.errors == 2


def test_a_log_that_cannot_be_opened_is_counted_not_raised(tmp_path: Path) -> None:
    lines = JsonLines("n", str(tmp_path / "missing" / "n.jsonl"))
    lines.emit(record("lost"))
    assert lines.file.errors == 2


def test_an_exception_is_part_of_the_line(tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl"
    logger = logging.Logger("t")
    logger.addHandler(JsonLines("n", str(path)))
    try:
        raise KeyError("burn")
    except KeyError:
        logger.exception("failed")
    assert "KeyError: 'burn'" in json.loads(path.read_text())["fields"]["exception"]


@pytest.mark.parametrize(("logger", "kept"), [("grpc._cython.cygrpc", 0), ("skyrack.node", 1)])
def test_a_cancelled_call_is_no_error_of_the_node(tmp_path: Path, logger: str, kept: int) -> None:
    path = tmp_path / "n.jsonl"
    try:
        raise asyncio.CancelledError
    except asyncio.CancelledError:
        exc_info = sys.exc_info()
    JsonLines("n", str(path)).emit(
        logging.getLogger("t").makeRecord(logger, logging.ERROR, "f.py", 1, "m", (), exc_info)
    )
    assert len(path.read_text().splitlines()) == kept
