"""A client that writes to Redis, notes what was acknowledged, and later counts what of it is still there.

    python redis_writes.py write --for 20 -o acked.jsonl p3s00 p2s01 london     # asks these sentinels for the primary
    python redis_writes.py write --for 20 -o acked.jsonl --server p3s01         # stays with this server
    python redis_writes.py check acked.jsonl p3s00 p2s01 london

One write at a time, each its own key. A write is *acknowledged* when Redis said so; with `--wait N`, when N replicas have
it as well. Anything else is *unknown*: it may be there. Only the standard library is used, so it runs in any node.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from typing import Any

SENTINEL_PORT, REDIS_PORT = 26379, 6379
PRIMARY = "orbit"  # the name sentinels know it by
BATCH = 500

Failed = (OSError, ValueError)  # of a request: no answer, or an error as answer


class Redis:
    """A connection that speaks RESP, Redis' protocol. Errors of Redis are ValueError."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._socket = socket.create_connection((host, port), timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")

    def ask(self, *words: object) -> Any:
        return self.ask_all([words])[0]

    def ask_all(self, requests: list[tuple[object, ...]]) -> list[Any]:
        """Several requests in one packet; their answers."""
        self._socket.sendall(b"".join(_encoded(words) for words in requests))
        return [self._answer() for _ in requests]

    def close(self) -> None:
        self._answers.close()
        self._socket.close()

    def _answer(self) -> Any:
        line = self._answers.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the connection has ended")
        kind, text = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise ValueError(text)
        if kind == b":":
            return int(text)
        if kind == b"*":
            return [self._answer() for _ in range(int(text))]
        if kind == b"$":
            return None if text == "-1" else self._answers.read(int(text) + 2)[:-2].decode()
        return text


def _encoded(words: tuple[object, ...]) -> bytes:
    parts = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


class Client:
    """Keeps a connection to the primary: the one that sentinels name and that says so itself, or one server for good."""

    def __init__(self, sentinels: list[str], server: str | None, timeout_s: float) -> None:
        self._sentinels, self._server, self._timeout_s = sentinels, server, timeout_s
        self._redis: Redis | None = None
        self.server = server or ""

    def connected(self) -> Redis:
        """The connection in use, or a new one."""
        if self._redis is None:
            if self._server is None:
                self.server = self._primary()
            redis = Redis(self.server, REDIS_PORT, self._timeout_s)
            if (role := redis.ask("ROLE")[0]) != "master":
                redis.close()
                raise ValueError(f"{self.server} is a {role}")
            self._redis = redis
        return self._redis

    def disconnect(self) -> None:
        """Begin anew with the next request."""
        if self._redis is not None:
            self._redis.close()
            self._redis = None

    def _primary(self) -> str:
        for host in self._sentinels:
            try:
                sentinel = Redis(host, SENTINEL_PORT, self._timeout_s)
                answer = sentinel.ask("SENTINEL", "get-master-addr-by-name", PRIMARY)
                sentinel.close()
            except Failed:
                continue
            if answer:
                return str(answer[0])
        raise ConnectionError("no sentinel answers")


def write(
    client: Client, for_s: float, period_s: float, wait: int, wait_ms: int, path: str
) -> dict[str, Any]:
    """Write until the time is over; a line for each acknowledged write to `path`; what there is to say."""
    stamp = time.time_ns()
    begin = time.monotonic()
    acked, unknown, reasons = 0, 0, {}
    last, gap = begin, (0.0, 0.0, 0.0)  # seconds without an acknowledgement: how many, from, to
    servers: list[tuple[float, str]] = []
    with open(path, "w", buffering=1) as lines:
        number = 0
        while (now := time.monotonic()) < begin + for_s:
            number += 1
            key = f"write:{stamp}:{number}"
            try:
                redis = client.connected()
                requests: list[tuple[object, ...]] = [("SET", key, number)]
                if wait:
                    requests.append(("WAIT", wait, wait_ms))
                answers = redis.ask_all(requests)
                if wait and answers[1] < wait:
                    raise ValueError(f"{answers[1]} of {wait} replicas have it")
            except Failed as error:
                unknown += 1
                reasons[str(error)] = reasons.get(str(error), 0) + 1
                if not (wait and isinstance(error, ValueError) and "replicas have it" in str(error)):
                    client.disconnect()
            else:
                acked += 1
                done = time.monotonic()
                gap = max(gap, (done - last, last - begin, done - begin))
                last = done
                if not servers or servers[-1][1] != client.server:
                    servers.append((round(done - begin, 3), client.server))
                took_ms = round(1e3 * (done - now), 3)
                lines.write(
                    json.dumps({"key": key, "t": time.time(), "took_ms": took_ms, "at": client.server}) + "\n"
                )
            time.sleep(max(0.0, now + period_s - time.monotonic()))
    return {
        "acknowledged": acked, "unknown": unknown, "servers": servers,
        "longest_gap_s": [round(value, 3) for value in gap], "reasons": reasons,
    }  # fmt: skip


def check(client: Client, paths: list[str]) -> dict[str, Any]:
    """Which acknowledged writes the primary of now does not have."""
    acked = [json.loads(line) for path in paths for line in open(path)]
    redis = client.connected()
    lost = []
    for first in range(0, len(acked), BATCH):
        batch = acked[first : first + BATCH]
        values = redis.ask("MGET", *(entry["key"] for entry in batch))
        lost += [entry for entry, value in zip(batch, values, strict=True) if value is None]
    found: dict[str, Any] = {"primary": client.server, "acknowledged": len(acked), "lost": len(lost)}
    if lost:
        found["lost_within_s"] = round(lost[-1]["t"] - lost[0]["t"], 3)
        found["acknowledged_by"] = sorted({entry["at"] for entry in lost})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Write to Redis and count what is lost.")
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("write")
    writing.add_argument("--for", dest="for_s", type=float, default=20.0, help="seconds")
    writing.add_argument(
        "--period", dest="period_s", type=float, default=0.01, help="seconds from write to write, at least"
    )
    writing.add_argument("--wait", type=int, default=0, help="replicas that must have it: WAIT")
    writing.add_argument("--wait-ms", type=int, default=500, help="how long WAIT waits")
    writing.add_argument("-o", dest="path", required=True)
    checking = commands.add_parser("check")
    checking.add_argument("paths", metavar="FILE", nargs="+")
    for one in (writing, checking):
        one.add_argument("--sentinel", dest="sentinels", action="append", default=[], help="several times")
        one.add_argument("--server", help="instead of asking sentinels")
        one.add_argument("--timeout", dest="timeout_s", type=float, default=0.6, help="seconds for an answer")
    given = parser.parse_args()
    client = Client(given.sentinels, given.server, given.timeout_s)
    if given.command == "write":
        found = write(client, given.for_s, given.period_s, given.wait, given.wait_ms, given.path)
    else:
        found = check(client, given.paths)
    json.dump(found, sys.stdout)
    print()


if __name__ == "__main__":
    main()
