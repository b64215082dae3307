"""An open-loop client of etcd's JSON gateway, for `skyrack exec NODE -- python etcd_client.py ...`: standard library only.

    write   puts keys PREFIX0, PREFIX1, ... at a steady rate, whatever became of the earlier ones; a line of JSON for each
    read    every key of a prefix, as a linearizable read sees it: one JSON object, key to value
    status  what each member says of itself: id, leader, term, whether it leads
    lead    hands leadership to the member at the first endpoint; the others say who has it
    metrics what a member counts, as Prometheus reads it

A line of `write` has, in seconds of CLOCK_MONOTONIC, which is one clock in all nodes of a machine: `intended_s`, when the
put was due; `sent_s`; `done_s`; and `outcome`: `ok` (acknowledged), `fail` (never reached a member), `unknown` (may have
happened: a time-out, a broken connection, an error of the cluster). After anything but `ok` the next endpoint is asked.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import queue
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

AT_ONCE = 128  # puts under way; what is due beyond waits, and its wait counts
TIMEOUT_S = 10.0  # longer than etcd's own for a put: 5 s and two election time-outs


@dataclass(frozen=True)
class Put:
    """What became of one put."""

    key: str
    endpoint: str
    intended_s: float
    sent_s: float
    done_s: float
    outcome: str
    error: str = ""

    @property
    def latency_s(self) -> float:
        """From the instant it was due."""
        return self.done_s - self.intended_s


def call(connection: http.client.HTTPConnection, path: str, message: dict[str, Any]) -> dict[str, Any]:
    """One request. Raises OSError or HTTPException, ValueError with etcd's words when it refused."""
    connection.request("POST", path, json.dumps(message).encode(), {"Content-Type": "application/json"})
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise ValueError(body.decode(errors="replace").strip())
    answer: dict[str, Any] = json.loads(body)
    return answer


def connect(endpoint: str, timeout_s: float = TIMEOUT_S) -> http.client.HTTPConnection:
    """To NAME:PORT; opened by the first request."""
    name, _, port = endpoint.partition(":")
    return http.client.HTTPConnection(name, int(port or 2379), timeout=timeout_s)


def encoded(text: str) -> str:
    """As the gateway wants keys and values."""
    return base64.b64encode(text.encode()).decode()


class Writer:
    """Puts over kept connections, one put at a time on each."""

    def __init__(self, endpoints: Sequence[str], prefix: str, timeout_s: float) -> None:
        self._endpoints = list(endpoints)
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._turn = 0  # which endpoint is asked
        self._idle: dict[str, queue.SimpleQueue[http.client.HTTPConnection]] = {
            endpoint: queue.SimpleQueue() for endpoint in endpoints
        }
        self._printing = threading.Lock()

    def warm(self, count: int) -> None:
        """Open connections, so that no put waits for a handshake."""

        def opened(_: int) -> http.client.HTTPConnection:
            connection = connect(self._endpoints[0], self._timeout_s)
            call(connection, "/v3/maintenance/status", {})
            return connection

        with ThreadPoolExecutor(count) as pool:
            for connection in pool.map(opened, range(count)):
                self._idle[self._endpoints[0]].put(connection)

    def run(self, rate_hz: float, count: int) -> None:
        """Put `count` keys and print a line for each as it ends."""
        first_s = time.monotonic() + 0.05
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for number in range(count):
                due_s = first_s + number / rate_hz
                time.sleep(max(0.0, due_s - time.monotonic()))
                pool.submit(self._put, number, due_s)

    def _put(self, number: int, intended_s: float) -> None:
        turn = self._turn
        endpoint = self._endpoints[turn]
        idle = self._idle[endpoint]
        try:
            connection = idle.get_nowait()
        except queue.Empty:
            connection = connect(endpoint, self._timeout_s)
        key = f"{self._prefix}{number}"
        sent_s = time.monotonic()
        outcome, error = "ok", ""
        try:
            if connection.sock is None:
                outcome = "fail"
                connection.connect()
                outcome = "ok"
            call(connection, "/v3/kv/put", {"key": encoded(key), "value": encoded(str(number))})
            idle.put(connection)
        except (OSError, http.client.HTTPException, ValueError) as problem:
            connection.close()
            outcome, error = (
                "fail" if outcome == "fail" else "unknown",
                f"{type(problem).__name__}: {problem}",
            )
            if self._turn == turn:
                self._turn = (turn + 1) % len(self._endpoints)
        put = Put(key, endpoint, intended_s, sent_s, time.monotonic(), outcome, error)
        with self._printing:
            print(json.dumps(asdict(put)), flush=True)


def read(endpoint: str, prefix: str) -> dict[str, str]:
    """Every key that begins so, with its value; asked again for a minute while there is no leader."""
    after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    message = {"key": encoded(prefix), "range_end": encoded(after)}
    deadline_s = time.monotonic() + 60.0
    while True:
        try:
            with contextlib.closing(connect(endpoint, 30.0)) as connection:
                answer = call(connection, "/v3/kv/range", message)
            break
        except (OSError, http.client.HTTPException, ValueError):
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.2)
    decoded = base64.b64decode
    return {decoded(kv["key"]).decode(): decoded(kv["value"]).decode() for kv in answer.get("kvs", [])}


def status(endpoint: str) -> dict[str, Any]:
    """Of the member there: `id`, `leader` (0 for none), `term`, `leads`."""
    with contextlib.closing(connect(endpoint, 3.0)) as connection:
        answer = call(connection, "/v3/maintenance/status", {})
    member, leader = int(answer["header"]["member_id"]), int(answer.get("leader", 0))
    return {"id": member, "leader": leader, "term": int(answer["raftTerm"]), "leads": member == leader}


def lead(endpoint: str, others: Sequence[str]) -> None:
    """Have whoever leads hand over to the member at `endpoint`, and wait until it leads."""
    wanted = status(endpoint)
    if wanted["leads"]:
        return
    leader = next(other for other in others if status(other)["id"] == wanted["leader"])
    with contextlib.closing(connect(leader)) as connection:
        call(connection, "/v3/maintenance/transfer-leadership", {"targetID": str(wanted["id"])})
    while not status(endpoint)["leads"]:
        time.sleep(0.05)


def metrics(endpoint: str) -> str:
    """Of the member there."""
    with contextlib.closing(connect(endpoint, 3.0)) as connection:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", choices=("write", "read", "status", "lead", "metrics"))
    parser.add_argument("endpoints", nargs="+", help="NAME:PORT of members")
    parser.add_argument("--prefix", default="w/")
    parser.add_argument("--rate", type=float, default=20.0, help="puts per second")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, help="s")
    asked = parser.parse_args()
    if asked.verb == "write":
        writer = Writer(asked.endpoints, asked.prefix, asked.timeout)
        writer.warm(min(AT_ONCE, 4 + int(asked.rate)))
        writer.run(asked.rate, asked.count)
    elif asked.verb == "read":
        json.dump(read(asked.endpoints[0], asked.prefix), sys.stdout)
    elif asked.verb == "lead":
        lead(asked.endpoints[0], asked.endpoints[1:])
    elif asked.verb == "metrics":
        print(metrics(asked.endpoints[0]), end="")
    else:
        for endpoint in asked.endpoints:
            print(json.dumps({"endpoint": endpoint, **status(endpoint)}), flush=True)


if __name__ == "__main__":
    main()
