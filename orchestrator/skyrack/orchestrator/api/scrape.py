"""Asks nodes for their metrics over their Unix sockets, and merges what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import aiohttp

NODE_TIMEOUT_S = 2.0
CONCURRENT_SCRAPES = 32
MOST_BYTES = 1 << 20  # a node has some 10 KB to say


async def scrape(path: Path) -> str | None:
    """A node's metrics from its Unix socket; None when it does not answer, or with something else than metrics.

    In containers, whatever runs in a node could have put something else in the socket's place.
    """
    if _is_link(path):
        return None
    timeout = aiohttp.ClientTimeout(total=NODE_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), timeout=timeout) as session,
            session.get("http://node/metrics", allow_redirects=False) as response,
        ):
            return await _text(response) if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


def _is_link(path: Path) -> bool:
    """To the API's own socket, for instance, which would ask the nodes again."""
    return path.is_symlink()


async def _text(response: aiohttp.ClientResponse) -> str | None:
    """The body; None when it is too long to be a node's metrics."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    return body.decode(errors="replace")


async def scrape_all(paths: Iterable[Path]) -> list[str]:
    """The metrics of all nodes that answer."""
    gate = asyncio.Semaphore(CONCURRENT_SCRAPES)

    async def one(path: Path) -> str | None:
        async with gate:
            return await scrape(path)

    async with asyncio.TaskGroup() as tasks:
        jobs = [tasks.create_task(one(path), name=f"scrape-{path.name}") for path in paths]
    return [text for job in jobs if (text := job.result()) is not None]


def merge(expositions: Iterable[str]) -> str:
    """One exposition from many: each family once, its header from where it is first seen, all samples below it."""
    headers: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for text in expositions:
        family = ""
        for line in text.splitlines():
            if line.startswith("# "):
                word, _, rest = line[2:].partition(" ")
                if word not in ("HELP", "TYPE"):
                    continue
                family = rest.split(" ", 1)[0]
                known = headers.setdefault(family, [])
                if len(known) < 2 and not any(entry.startswith(f"# {word} ") for entry in known):
                    known.append(line)
            elif line:
                samples.setdefault(family, []).append(line)
    lines = [line for family, header in headers.items() for line in (*header, *samples.get(family, ()))]
    return "\n".join(lines) + "\n"
