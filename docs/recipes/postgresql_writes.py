"""A client that writes to PostgreSQL through `psql`, notes what was committed, and later counts what of it is still there.

    python postgresql_writes.py write -o notes london p2s02      # whichever of them takes writes
    python postgresql_writes.py check notes p2s02

One transaction at a time, each one row. A write is acknowledged when its commit has returned. `--commit` sets
synchronous_commit of the session. Needs `psql` and the standard library.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import subprocess
import time

import acknowledged

TABLE = "CREATE TABLE IF NOT EXISTS writes (key text PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())"
END = b"end\n"  # what psql is told to print after a statement
CONNECT_S = 2  # the least libpq takes
FIRST_S = 60.0  # for what has to be answered before anything is measured, and behind it


class Psql:
    """A `psql` that is kept: statement in, rows out. No answer in time, or an error, is a ConnectionError; begin anew then."""

    def __init__(self, hosts: list[str], session: str, timeout_s: float, *settings: str) -> None:
        target = (
            f"host={','.join(hosts)} user=postgres target_session_attrs={session} connect_timeout={CONNECT_S}"
            f" options='{' '.join(f'-c {setting}' for setting in settings)}'"
        )
        self._timeout_s, self._rest = timeout_s, b""
        self._process = subprocess.Popen(
            ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            (self.host,) = self.ask(
                "SELECT current_setting('cluster_name')", CONNECT_S * len(hosts) + timeout_s
            )
        except ConnectionError:
            self.close()
            raise

    def ask(self, statement: str, timeout_s: float | None = None) -> list[str]:
        """The rows of one statement."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{statement};\n\\echo {END.decode()}".encode())
            self._process.stdin.flush()
        except OSError as error:
            raise ConnectionError(self._reason()) from error
        deadline = time.monotonic() + (timeout_s or self._timeout_s)
        while not self._rest.endswith(END):
            left_s = max(0.0, deadline - time.monotonic())
            if not select.select([self._process.stdout], [], [], left_s)[0]:
                raise ConnectionError("no answer in time")
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                raise ConnectionError(self._reason())
            self._rest += data
        rows, self._rest = self._rest.removesuffix(END).decode().splitlines(), b""
        return rows

    def close(self) -> None:
        """Without a word to the server."""
        self._process.kill()
        self._process.communicate()

    def _reason(self) -> str:
        assert self._process.stderr is not None
        return (self._process.stderr.read().decode().strip().splitlines() or ["psql ended"])[-1]


class Client:
    """Keeps a session with whichever server takes writes. Whatever fails is a ConnectionError."""

    def __init__(self, hosts: list[str], commit: str, timeout_s: float) -> None:
        self._hosts, self._commit, self._timeout_s = hosts, commit, timeout_s
        self._psql: Psql | None = None

    def put(self, key: str) -> str:
        """Commit one row; who has it."""
        try:
            if self._psql is None:
                commit = f"synchronous_commit={self._commit}"
                self._psql = Psql(self._hosts, "read-write", self._timeout_s, commit)
            self._psql.ask(f"INSERT INTO writes (key) VALUES ('{key}')")
        except ConnectionError:
            if self._psql is not None:
                self._psql.close()
                self._psql = None
            raise
        return self._psql.host


def main() -> None:
    parser = argparse.ArgumentParser(description="Write to PostgreSQL and count what is lost.")
    writing, checking = acknowledged.add_commands(parser)
    writing.add_argument(
        "--commit", default="on", help="synchronous_commit: off, local, remote_write, on, remote_apply"
    )
    for one in (writing, checking):
        one.add_argument("hosts", metavar="HOST", nargs="+")
        one.add_argument("--timeout", dest="timeout_s", type=float, default=1.0, help="seconds for an answer")
    given = parser.parse_args()
    if given.command == "write":
        with contextlib.closing(
            Psql(given.hosts, "read-write", FIRST_S, "client_min_messages=warning")
        ) as psql:
            psql.ask(TABLE)
        client = Client(given.hosts, given.commit, given.timeout_s)
        acknowledged.say(acknowledged.write(given.file, given.for_s, given.period_s, client.put))
    else:
        with contextlib.closing(Psql(given.hosts, "any", FIRST_S)) as psql:
            rows = psql.ask("SELECT key FROM writes")
        acknowledged.say(acknowledged.check(given.file, psql.host, lambda _: rows))


if __name__ == "__main__":
    main()
