"""Bits of packets that faults have turned over: the fabric is told of each, and says which packet it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skyrack.orchestrator.faults.fault import Fault
from skyrack.orchestrator.faults.ledger import Change
from skyrack.orchestrator.runtime.feed import Feed
from skyrack.orchestrator.runtime.hands.enactor import Enactor
from skyrack.v1.holding import NOBODY_HIT


class Slips:
    """Of all faults of a run. `names`: of all nodes."""

    def __init__(self, feed: Feed, enactor: Enactor, names: Sequence[str]) -> None:
        self._feed = feed
        self._enactor = enactor
        self._names = names
        self._waiting: dict[int, tuple[Fault, int]] = {}
        self._given = 0
        feed.on_hit = self._hit

    def follow(self, change: Change) -> None:
        """Have the fabric wait for packets of faults that began."""
        for fault in change.began:
            for node, slip in fault.draft.effect.slips.items():
                if self._enactor.is_off(node):
                    self._enactor.saw(fault, node, NOBODY_HIT)
                    continue
                if self._feed.fabric is None:
                    self._enactor.cannot(fault, node, "there is no fabric at the moment")
                    continue
                self._given += 1
                self._waiting[self._given] = fault, node
                draw = f"{slip.draw}/{self._names[node]}"
                self._feed.fabric.flip(change.at_s, self._given, node, draw, slip.fixed_ratio)

    def _hit(self, message: Mapping[str, Any]) -> None:
        fault, node = self._waiting.pop(message["number"])
        bit, old = message["bit"], message["old"]
        then = "checksum fixed" if message["fixed"] else "checksum kept, its receiver drops it"
        self._enactor.saw(
            fault,
            node,
            f"bit {bit} of byte {message['byte']} of {message['payload_bytes']} of {message['protocol']} from "
            f"{self._name(message['src'])} to {self._name(message['dst'])}: 0x{old:02x} is 0x{old ^ 1 << bit:02x} now, {then}",
        )

    def _name(self, node: int) -> str:
        """Programs may write any address of theirs."""
        return self._names[node] if 0 <= node < len(self._names) else "nobody"

    def fabric_down(self) -> None:
        """What the fabric waited for went with it."""
        waiting, self._waiting = self._waiting, {}
        for fault, node in waiting.values():
            self._enactor.cannot(fault, node, "the fabric has ended before a packet came")
