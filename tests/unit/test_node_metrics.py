"""The metrics socket answers scrapers and survives everybody else."""

import asyncio
from pathlib import Path

import pytest

from skyrack.node import http_server
from skyrack.node.metrics import read_device_counters, read_run_delay_ns
from skyrack.node.metrics_http import serve_metrics

PROC_NET_DEV = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
 mesh0:    1234      56    7    8    9    10         11        12    91011      13   14   15   16    17      18         19
"""


async def ask(path: Path, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(request)
    if not request.endswith(b"\r\n\r\n"):
        writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n", 200),
        (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", 200),
        (b"GET /else HTTP/1.1\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"\r\n\r\n", 400),
        (b"GET /metrics\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\xff" * 10, 400),
        (b"GET /metrics HTT", 400),
        (b"x" * 100_000, 400),
        (b"", 400),
    ],
)
async def test_every_request_gets_its_status(tmp_path: Path, request_bytes: bytes, status: int) -> None:
    path = tmp_path / "m.sock"
    async with serve_metrics(path, lambda: b"up 1\n"):
        answer = await ask(path, request_bytes)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert (body == b"up 1\n") == (status == 200)
    assert not path.exists()


async def test_a_failing_collector_is_a_500_and_the_next_scrape_works(tmp_path: Path) -> None:
    path = tmp_path / "m.sock"
    outcomes: list[bytes | None] = [None, b"up 1\n"]

    def render() -> bytes:
        outcome = outcomes.pop(0)
        if outcome is None:
            raise RuntimeError("no /proc today")
        return outcome

    async with serve_metrics(path, render):
        assert b" 500 " in await ask(path, b"GET /metrics HTTP/1.1\r\n\r\n")
        assert b" 200 " in await ask(path, b"GET /metrics HTTP/1.1\r\n\r\n")


async def test_a_silent_client_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "REQUEST_TIMEOUT_S", 0.01)
    path = tmp_path / "m.sock"
    async with serve_metrics(path, lambda: b""):
        reader, writer = await asyncio.open_unix_connection(str(path))
        assert await reader.read() == b""
        writer.close()


async def test_a_socket_file_left_by_a_crash_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "m.sock"
    path.touch()
    async with serve_metrics(path, lambda: b"up 1\n"):
        assert b" 200 " in await ask(path, b"GET /metrics HTTP/1.1\r\n\r\n")


def test_mesh_counters_are_read_from_the_right_columns() -> None:
    counters = read_device_counters(PROC_NET_DEV)
    assert counters is not None
    received, sent = counters[:4], counters[8:12]
    assert received == [1234, 56, 7, 8]
    assert sent == [91011, 13, 14, 15]
    assert read_device_counters(PROC_NET_DEV.replace("mesh0", "eth0")) is None


def test_run_delay_is_the_second_number() -> None:
    assert read_run_delay_ns("123 456 7\n") == 456
