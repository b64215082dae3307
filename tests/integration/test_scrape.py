"""The orchestrator asks sockets for metrics that a program in a node could have replaced: it survives any answer."""

import asyncio
import contextlib
import gzip
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from skyrack.orchestrator.api import scrape as module
from skyrack.orchestrator.api.scrape import scrape

pytestmark = pytest.mark.together

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody here is slow, but the host may be."""
    monkeypatch.setattr(module, "NODE_TIMEOUT_S", 60.0)


@contextlib.asynccontextmanager
async def answering(data: bytes, *, endless: bool = False) -> AsyncIterator[Path]:
    """A socket that says this to everybody, and with `endless` never stops saying it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(data)
            while endless:
                writer.write(data[-65536:])
                await writer.drain()
            await writer.drain()
        writer.close()

    with tempfile.TemporaryDirectory(prefix="sk-scrape-", dir="/tmp") as directory:
        path = Path(directory, "n.metrics.sock")
        async with await asyncio.start_unix_server(answer, path):
            yield path


async def test_a_nodes_metrics_are_its_answer() -> None:
    async with answering(HEAD + b"Content-Length: 6\r\n\r\nup 1\n\n") as path:
        assert await scrape(path) == "up 1\n\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no HTTP\r\n\r\n",
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 There\r\nLocation: http://node/metrics\r\nContent-Length: 0\r\n\r\n",
        HEAD + b"Content-Length: 100\r\n\r\nshort",
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"A: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_any_other_answer_is_none(data: bytes) -> None:
    async with answering(data) as path:
        assert await scrape(path) is None


async def test_an_answer_in_no_character_set_is_still_text() -> None:
    async with answering(HEAD + b"Content-Type: text/plain; charset=klingon\r\n\r\n\xff 1\n") as path:
        assert await scrape(path) == "\N{REPLACEMENT CHARACTER} 1\n"


async def test_an_endless_answer_ends() -> None:
    async with asyncio.timeout(240), answering(HEAD + b"\r\n" + bytes(65536), endless=True) as path:
        assert await scrape(path) is None


async def test_a_small_answer_that_unpacks_to_a_large_one_is_not_unpacked_whole() -> None:
    packed = gzip.compress(bytes(200 << 20), 1)
    assert len(packed) < module.MOST_BYTES
    head = HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    async with answering(head + packed) as path:
        assert await scrape(path) is None


async def test_a_link_is_not_followed() -> None:
    async with answering(HEAD + b"Content-Length: 5\r\n\r\nup 1\n") as path:
        link = path.with_name("other.metrics.sock")
        link.symlink_to(path)
        assert await scrape(link) is None


async def test_nobody_there_is_none() -> None:
    assert await scrape(Path("/tmp/sk-scrape-nobody.sock")) is None
