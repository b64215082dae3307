"""Hands on what services write and on their clocks, in a run whose nodes are its own processes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict

from skyrack.orchestrator.faults.hold import AS_EVER, Hold, Place, compose_holds
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.runtime.hands.hands import CannotError
from skyrack.orchestrator.runtime.nodes import NodeBook
from skyrack.orchestrator.runtime.services.disks import DiskError
from skyrack.orchestrator.runtime.services.entry import Entry
from skyrack.orchestrator.runtime.services.prepared import LocalRoom
from skyrack.orchestrator.runtime.services.services import Services
from skyrack.orchestrator.storage.disk import Trouble


class LocalData:
    """OnData."""

    def __init__(self, room: LocalRoom, book: NodeBook, services: Services) -> None:
        self._room = room
        self._book = book
        self._services = services
        self._held: dict[Place, Hold] = {}
        # A fault of a service and one of its node are different places, and what both come to is told in order.
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    def refusal(self, kind: str, target: Target) -> str | None:
        """Of a service that was named; of whole nodes where it can be at none, but power, which they lose or do not."""
        reasons = {place: self._why_not(kind, place) for place in target.places}
        strict = [reason for (_, service), reason in reasons.items() if service or kind == "power"]
        first = next((reason for reason in strict if reason is not None), None)
        if first is None and None not in reasons.values():
            first = next(iter(reasons.values()), None)
        return first

    async def drop_unsynced(self, node: int) -> list[str]:
        """Raises CannotError."""
        seen = []
        for entry in self._entries((node, "")):
            key = _key(entry)
            if key in self._room.disks:
                try:
                    dropped = await self._room.disks.tell(key, "drop")
                except DiskError as error:
                    raise CannotError(f"{entry.service.name}: {error}") from error
                seen.append(_dropped(entry.service.name, dropped["files"], dropped["names"]))
        return seen

    async def hold(self, place: Place, before: Hold, hold: Hold) -> list[str]:
        """Raises CannotError."""
        self._held[place] = hold
        if hold == AS_EVER:
            del self._held[place]
        seen = []
        if _trouble(before) != _trouble(hold):
            for entry in self._entries(place):
                seen += _named(place, entry, await self._trouble(entry))
        if before.clock_s != hold.clock_s:
            for entry in self._entries(place):
                seen += _named(place, entry, await self._clock(entry))
        return seen

    async def _trouble(self, entry: Entry) -> list[str]:
        key, name = _key(entry), entry.service.name
        if key not in self._room.disks:
            return []
        async with self._locks[key]:
            trouble = _trouble(self._whole(entry))
            try:
                await self._room.disks.tell(key, "trouble", **asdict(trouble))
            except DiskError as error:
                raise CannotError(f"{name}: {error}") from error
        wrong = [
            *([f"fsync {trouble.fsync_s:g} s slower"] if trouble.fsync_s else []),
            *(["fsync fails with EIO"] if trouble.fsync_fails else []),
            *(["writes that need room fail with ENOSPC"] if trouble.full else []),
        ]
        return [", ".join(wrong) or "its disk is as ever"]

    async def _clock(self, entry: Entry) -> list[str]:
        key, name = _key(entry), entry.service.name
        if key not in self._room.clocks:
            return []
        async with self._locks[key]:
            offset_s = self._whole(entry).clock_s
            try:
                await asyncio.to_thread(self._room.clocks.set, key, offset_s)
            except OSError as error:
                raise CannotError(f"{name}: its clock: {error.strerror or error}") from error
        return [f"its clock is {f'{offset_s:+g} s off' if offset_s else 'as ever'}"]

    def _whole(self, entry: Entry) -> Hold:
        """What faults of the service and of its node come to."""
        index = self._book.by_name[entry.member.node].index
        places = ((index, ""), (index, entry.service.name))
        return compose_holds(self._held[place] for place in places if place in self._held)

    def _entries(self, place: Place) -> Iterator[Entry]:
        index, service = place
        if (node := self._book.by_index.get(index)) is not None:
            services = self._services.at(node.name)
            yield from services.values() if not service else filter(None, [services.get(service)])

    def _why_not(self, kind: str, place: Place) -> str | None:
        index, service = place
        node = self._book.by_index.get(index)
        services = self._services.at(node.name) if node is not None else {}
        name = node.name if node is not None else "a satellite without a process"
        if service and service not in services:
            there = f"it runs {', '.join(services)}" if services else "it runs none"
            return f"{name} runs no service called {service[:80]!r}: {there}"
        wanted = "clock" if kind == "clock" else "disk"
        chosen = [services[service]] if service else list(services.values())
        without = [entry.service.name for entry in chosen if wanted not in entry.service.faults]
        add = f"write `faults: [{wanted}]` into it in the scenario"
        if kind == "power":
            # A service whose writes outlive it has not lost power.
            return f"{without[0]} at {name} would lose nothing of what it wrote: {add}" if without else None
        if not chosen:
            return f"{name} runs no service"
        if len(without) == len(chosen):
            return f"{', '.join(without)} at {name} cannot be acted on: {add}"
        return None


def _key(entry: Entry) -> tuple[str, str]:
    return entry.member.node, entry.service.name


def _named(place: Place, entry: Entry, sentences: list[str]) -> list[str]:
    """Sentences about a service, which a place that is a whole node does not name."""
    return sentences if place[1] else [f"{entry.service.name}: {sentence}" for sentence in sentences]


def _trouble(hold: Hold) -> Trouble:
    return Trouble(hold.fsync_s, hold.fsync_fails, hold.disk_full)


def _dropped(name: str, files: int, names: int) -> str:
    if not files and not names:
        return f"{name}: nothing was unsynced"
    what = [f"contents of {files} file{'s' * (files != 1)}"] if files else []
    what += [f"{names} change{'s' * (names != 1)} of names"] if names else []
    return f"{name}: unsynced {' and '.join(what)} lost"
