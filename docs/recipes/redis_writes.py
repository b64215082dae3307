"""A client that writes to Redis, notes what was acknowledged, and later counts what of it is still there.

    python redis_writes.py write -o notes --sentinel london --sentinel p4s01     # the primary that sentinels name
    python redis_writes.py write -o notes --server p2s02                         # this server, whatever happens
    python redis_writes.py check notes --sentinel london --sentinel p4s01

One write at a time, each its own key. A write is acknowledged when Redis said so; with `--wait N`, when N replicas have it
as well. Only the standard library is used, so it runs in any node.
"""

from __future__ import annotations

import argparse
import socket
from typing import Any

import acknowledged

SENTINEL_PORT, REDIS_PORT = 26379, 6379
PRIMARY = "orbit"  # the name sentinels know it by
BATCH = 500


class Redis:
    """A connection that speaks RESP, Redis' protocol. Raises OSError, and ValueError with an error of Redis."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._socket = socket.create_connection((host, port), timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")

    def ask(self, *requests: tuple[object, ...]) -> list[Any]:
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
    """Keeps a connection to the primary that sentinels name, or to one server. Whatever fails is a ConnectionError."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._sentinels, self._fixed, self._timeout_s = given.sentinels, given.server, given.timeout_s
        self._redis: Redis | None = None
        self.server = ""

    def put(self, key: str, wait: int, wait_ms: int) -> str:
        """Write one key; who acknowledged it."""
        requests: list[tuple[object, ...]] = [("SET", key, "")]
        if wait:
            requests.append(("WAIT", wait, wait_ms))
        answers = self.ask(*requests)
        if wait and answers[1] < wait:
            raise ConnectionError(f"{answers[1]} of {wait} replicas have it")
        return self.server

    def those_there(self, keys: list[str]) -> set[str]:
        """Which of the keys exist."""
        found = set()
        for first in range(0, len(keys), BATCH):
            batch = keys[first : first + BATCH]
            (values,) = self.ask(("MGET", *batch))
            found |= {key for key, value in zip(batch, values, strict=True) if value is not None}
        return found

    def ask(self, *requests: tuple[object, ...]) -> list[Any]:
        try:
            if self._redis is None:
                self._connect()
                assert self._redis is not None
            return self._redis.ask(*requests)
        except (OSError, ValueError) as error:
            if self._redis is not None:
                self._redis.close()
                self._redis = None
            raise ConnectionError(str(error)) from error

    def _connect(self) -> None:
        self.server = self._fixed or self._primary()
        redis = Redis(self.server, REDIS_PORT, self._timeout_s)
        ((role, *_),) = redis.ask(("ROLE",))  # the sentinel may be behind
        if role != "master":
            redis.close()
            raise ConnectionError(f"{self.server} is a {role}")
        self._redis = redis

    def _primary(self) -> str:
        for host in self._sentinels:
            try:
                sentinel = Redis(host, SENTINEL_PORT, self._timeout_s)
                (answer,) = sentinel.ask(("SENTINEL", "get-master-addr-by-name", PRIMARY))
                sentinel.close()
            except (OSError, ValueError):
                continue
            if answer:
                return str(answer[0])
        raise ConnectionError("no sentinel answers")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write to Redis and count what is lost.")
    writing, checking = acknowledged.add_commands(parser)
    writing.add_argument("--wait", type=int, default=0, help="replicas that must have it: WAIT")
    writing.add_argument("--wait-ms", type=int, default=500, help="how long WAIT waits")
    for one in (writing, checking):
        one.add_argument(
            "--sentinel", dest="sentinels", action="append", default=[], help="ask this one; several times"
        )
        one.add_argument("--server", help="ask no sentinels")
        one.add_argument("--timeout", dest="timeout_s", type=float, default=0.6, help="seconds for an answer")
    given = parser.parse_args()
    client = Client(given)
    if given.command == "write":
        put = lambda key: client.put(key, given.wait, given.wait_ms)  # noqa: E731
        acknowledged.say(acknowledged.write(given.file, given.for_s, given.period_s, put))
    else:
        client.ask(("PING",))
        acknowledged.say(acknowledged.check(given.file, client.server, client.those_there))


if __name__ == "__main__":
    main()
