"""A small replicated register, correct or not as you like: what `skyrack hunt` and the checkers are shown on.

    python register.py --name a --members a=127.0.0.1:7001,b=127.0.0.1:7002,c=127.0.0.1:7003 --data DIR
                       [--lease safe | wall-clock] [--fsync always | never]

Each member implements skyrack.v1.StoreService: Read, Write and CompareAndSet of any number of registers. One leads; the
others pass on to it what they are asked.

    term       who leads is elected for a term by a majority. A member votes once in a term, promises to listen to nobody of
               an older one, and says with its vote what it has: the newest version of each register survives. The first
               of the members by name stands first, the others later in this order: who leads is the same in each run.
    write      the leader gives it a version (term, number), and it is done when a majority has it on disk.
    read       safe:        the leader asks a majority whether its term is still theirs, then answers from its copy.
               wall-clock:  a member that hears of the leader votes for nobody else for LEASE_S by its wall clock, and the
                            leader answers from its copy at once while its own says that these promises hold. That is
                            right as long as no wall clock is set, and the planted bug: one that is set back makes an old
                            lease look valid, and a leader that is cut off from the majority answers with what is old.

`--fsync never` plants another: what was acknowledged may be lost when a majority loses power.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import grpc
import grpc.aio

from skyrack.v1 import store_pb2 as pb
from skyrack.v1 import store_pb2_grpc

HEARTBEAT_S = 0.25  # longer than a round trip between members
LEASE_S = 1.0
ELECTION_S = 1.2  # of silence until the first by name stands, the next after twice that: longer than a lease
PATIENCE_S = 1.0  # for a majority to answer
PEER = "register.Peer"
# A connection that is cut is noticed within two seconds, and another is tried for every half.
OPTIONS = (
    ("grpc.keepalive_time_ms", 1000), ("grpc.keepalive_timeout_ms", 1000), ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 500), ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.min_reconnect_backoff_ms", 500), ("grpc.max_reconnect_backoff_ms", 500),
)  # fmt: skip
Registers = dict[str, list[Any]]  # by key: [[term, number], value], as JSON has it
Answer = dict[str, Any]
NOTHING: list[Any] = [[0, 0], None]


class Disk:
    """What a member must not forget: the term it has promised itself to, and the newest version of each register."""

    def __init__(self, directory: Path, fsync: bool) -> None:
        self.term = 0
        self.registers: Registers = {}
        self._sync = os.fsync if fsync else lambda file: None
        directory.mkdir(parents=True, exist_ok=True)
        self._file = os.open(directory / "journal", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        whole = 0
        for line in (directory / "journal").read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):  # else it is torn, the last one, and was never acknowledged
                self._take(json.loads(line))
                whole += len(line)
        os.truncate(self._file, whole)
        self._sync(self._file)
        entry = os.open(directory, os.O_RDONLY)  # the file's name is to last as well
        self._sync(entry)
        os.close(entry)

    def keep(self, term: int, registers: Registers) -> None:
        """Remember a term, and versions that are newer than those it has. A disk that fails ends the process."""
        newer = _newer(registers, self.registers)
        if term <= self.term and not newer:
            return
        record = [max(term, self.term), newer]
        line = json.dumps(record).encode() + b"\n"
        try:
            if os.write(self._file, line) < len(line):
                raise OSError("no room for all of it")
            self._sync(self._file)
        except OSError as error:
            print(f"disk: {error}", flush=True)
            os._exit(1)
        self._take(record)

    def _take(self, record: list[Any]) -> None:
        self.term = record[0]
        self.registers.update(record[1])


class Member(store_pb2_grpc.StoreServiceServicer):
    """One of them. `members`: HOST:PORT of all by name; `wall_s`: its wall clock."""

    def __init__(
        self, name: str, members: Mapping[str, str], directory: Path,
        safe: bool = True, fsync: bool = True, wall_s: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._name, self._majority = name, len(members) // 2 + 1
        self._place = 1 + sorted(members).index(name)
        self._disk = Disk(directory, fsync)
        self._safe, self._wall_s = safe, wall_s
        others = {other: address for other, address in members.items() if other != name}
        self._channels = {o: grpc.aio.insecure_channel(a, options=OPTIONS) for o, a in others.items()}
        self._done: Registers = {}  # what a majority has, as far as this leader knows
        self._writing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # one at a time by key
        self._leading = 0  # the term it leads in; 0: none
        self._leader = ""  # who leads, as far as it knows
        self._number = 0
        self._heard_s = time.monotonic()
        self._promised_until_s = wall_s() + LEASE_S  # it does not know what it promised before it was started
        self._lease_until_s = 0.0

    async def Read(self, request: pb.ReadRequest, context: Any) -> Any:
        return await self._led("Read", request, context, self._read)

    async def Write(self, request: pb.WriteRequest, context: Any) -> Any:
        return await self._led("Write", request, context, self._write)

    async def CompareAndSet(self, request: pb.CompareAndSetRequest, context: Any) -> Any:
        return await self._led("CompareAndSet", request, context, self._compare)

    async def _led(self, method: str, request: Any, context: Any, do: Callable[..., Any]) -> Any:
        """Have the leader do it: this member, or the one it knows of. Whoever was passed something does not pass it on."""
        if self._leading:
            return await do(request, context)
        passed = any(key == "passed" for key, _ in context.invocation_metadata())
        if passed or self._leader not in self._channels:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{self._name} knows no leader")
        stub = store_pb2_grpc.StoreServiceStub(self._channels[self._leader])
        metadata, left_s = (("passed", self._name),), context.time_remaining()
        try:
            return await getattr(stub, method)(request, timeout=left_s, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), f"by {self._leader}: {error.details()}")

    async def _read(self, request: pb.ReadRequest, context: Any) -> pb.ReadResponse:
        term, value = self._leading, self._done.get(request.key, NOTHING)[1]
        if self._safe or self._wall_s() >= self._lease_until_s:
            await self._confirm(term, context)
        return pb.ReadResponse(value=value)

    async def _write(self, request: pb.WriteRequest, context: Any) -> pb.WriteResponse:
        async with self._writing[request.key]:
            await self._replicate(request.key, request.value, context)
        return pb.WriteResponse()

    async def _compare(self, request: pb.CompareAndSetRequest, context: Any) -> pb.CompareAndSetResponse:
        expected = request.expected if request.HasField("expected") else None
        async with self._writing[request.key]:
            term, swapped = self._leading, self._done.get(request.key, NOTHING)[1] == expected
            if swapped:
                await self._replicate(request.key, request.value, context)
            else:
                await self._confirm(term, context)
        return pb.CompareAndSetResponse(swapped=swapped)

    async def _replicate(self, key: str, value: int, context: Any) -> None:
        """Keep it here and at a majority. Ends the call with UNKNOWN when that cannot be said: some may have it."""
        if not (term := self._leading):
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{self._name} does not lead any more")
        self._number += 1
        if not await self._heed(term, {key: [[term, self._number], value]}):
            await context.abort(grpc.StatusCode.UNKNOWN, "no majority has answered")

    async def _confirm(self, term: int, context: Any) -> None:
        """Make sure that no majority has turned to another. Ends the call when it cannot."""
        if not term or not await self._heed(term, {}):
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{self._name} may not lead any more")

    async def _heed(self, term: int, registers: Registers) -> bool:
        """Whether a majority, this member among it, is in this term and has these. Renews the lease."""
        asked_s = self._wall_s()
        self._disk.keep(term, registers)
        message = {"leader": self._name, "term": term, "registers": registers}
        if not await self._ask("Heed", message) or self._disk.term != term:
            return False
        self._lease_until_s = self._promised_until_s = max(self._lease_until_s, asked_s + LEASE_S)
        self._done.update(_newer(registers, self._done))
        return True

    async def _ask(self, method: str, message: Answer) -> list[Answer]:
        """Ask all others; the answers of those that agree, once they are a majority with this member, else none."""

        async def asked(channel: grpc.aio.Channel) -> Answer | None:
            call = channel.unary_unary(f"/{PEER}/{method}", _dumps, json.loads)
            try:
                answer: Answer = await call(message, timeout=PATIENCE_S)
            except grpc.aio.AioRpcError:
                return None
            if answer["term"] > self._disk.term:
                self._disk.keep(answer["term"], {})
                self._follow("")
            return answer if answer["agreed"] else None

        agreed: list[Answer] = []
        for task in asyncio.as_completed([asked(channel) for channel in self._channels.values()]):
            if (answer := await task) is not None:
                agreed.append(answer)
            if len(agreed) + 1 >= self._majority:
                return agreed  # the others are still asked
        return []

    def _follow(self, leader: str) -> None:
        self._leading, self._leader = 0, leader
        self._heard_s = time.monotonic()

    async def run(self) -> NoReturn:
        """Lead or follow, for ever."""
        while True:
            await asyncio.sleep(HEARTBEAT_S if self._leading else 0.05)
            if self._leading:
                await self._heed(self._leading, {})
            elif time.monotonic() - self._heard_s > ELECTION_S * self._place and self._free():
                self._heard_s = time.monotonic()
                await self._stand()

    def _free(self) -> bool:
        return (
            self._safe or self._wall_s() >= self._promised_until_s
        )  # nobody relies on promises when it is safe

    async def _stand(self) -> None:
        """Ask for votes; with a majority of them, bring everything they have to a majority, and lead."""
        term = self._disk.term + 1
        self._disk.keep(term, {})
        votes = await self._ask("Vote", {"candidate": self._name, "term": term})
        if not votes or self._disk.term != term:
            return
        newest = dict(self._disk.registers)
        for vote in votes:
            newest.update(_newer(vote["registers"], newest))
        self._number = 0
        if await self._heed(term, {key: [[term, 0], value] for key, (_, value) in newest.items()}):
            self._leading, self._leader = term, self._name
            print(f"{self._name} leads in term {term}", flush=True)

    async def vote(self, message: Answer, _: Any) -> Answer:
        """Asked by a candidate."""
        agreed = message["term"] > self._disk.term and self._free()
        if agreed:
            self._disk.keep(message["term"], {})
            self._follow("")
        return {"term": self._disk.term, "agreed": agreed, "registers": self._disk.registers}

    async def heed(self, message: Answer, _: Any) -> Answer:
        """Asked by a leader, with registers or without."""
        agreed = message["term"] >= self._disk.term
        if agreed:
            self._disk.keep(message["term"], message["registers"])
            self._follow(message["leader"])
            self._promised_until_s = self._wall_s() + LEASE_S
        return {"term": self._disk.term, "agreed": agreed}

    async def serve(self, address: str) -> NoReturn:
        """Answer clients and the other members, until the process ends or this is cancelled."""
        server = grpc.aio.server(options=OPTIONS)
        store_pb2_grpc.add_StoreServiceServicer_to_server(self, server)
        methods = {
            name: grpc.unary_unary_rpc_method_handler(method, json.loads, _dumps)
            for name, method in (("Vote", self.vote), ("Heed", self.heed))
        }
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(PEER, methods)])
        server.add_insecure_port(address)
        await server.start()
        try:
            await self.run()
        finally:
            await server.stop(None)
            await asyncio.gather(*(channel.close() for channel in self._channels.values()))


def _newer(registers: Registers, than: Registers) -> Registers:
    return {key: one for key, one in registers.items() if one[0] > than.get(key, NOTHING)[0]}


def _dumps(message: Answer) -> bytes:
    return json.dumps(message).encode()


async def main() -> None:
    parser = argparse.ArgumentParser(description="A member of a small replicated register.")
    parser.add_argument("--name", required=True, help="which of the members this is")
    parser.add_argument("--members", required=True, help="NAME=HOST:PORT of all, with commas between")
    parser.add_argument("--data", type=Path, default=Path(), help="directory of its journal")
    parser.add_argument("--lease", choices=("safe", "wall-clock"), default="safe")
    parser.add_argument("--fsync", choices=("always", "never"), default="always")
    given = parser.parse_args()
    members = dict(word.split("=", 1) for word in given.members.split(","))
    safe, fsync = given.lease == "safe", given.fsync == "always"
    await Member(given.name, members, given.data, safe, fsync).serve(members[given.name])  # type: ignore[abstract]


if __name__ == "__main__":
    asyncio.run(main())
