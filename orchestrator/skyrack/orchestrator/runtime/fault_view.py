"""What is told of faults: to the API, metrics, the run's status, and whoever asks why something is dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.faults.effect import Way
from skyrack.orchestrator.faults.fault import Fault
from skyrack.orchestrator.faults.kinds import KINDS
from skyrack.orchestrator.faults.ledger import Ledger
from skyrack.orchestrator.routing.condition import Condition
from skyrack.orchestrator.routing.cut import Cut
from skyrack.orchestrator.runtime.feed import Feed
from skyrack.orchestrator.runtime.hands.enactor import Enactor

Says = dict[Way | int | Cut, dict[str, Any]]


class FaultView:
    """Reads; changes nothing. `names`: of all nodes."""

    def __init__(
        self,
        ledger: Ledger,
        enactor: Enactor,
        feed: Feed,
        clock: Clock,
        names: Sequence[str],
        byte_scale: float,
    ) -> None:
        self._ledger = ledger
        self._enactor = enactor
        self._feed = feed
        self._clock = clock
        self._names = names
        self._byte_scale = byte_scale

    def active(self) -> dict[str, int]:
        """How many faults of each kind act."""
        counts = dict.fromkeys(KINDS, 0)
        for fault in self._ledger.begun:
            counts[fault.draft.kind] += 1
        return counts

    @property
    def failures(self) -> Mapping[str, int]:
        """What could not be done or undone, by kind."""
        return self._enactor.failures

    @property
    def conditions(self) -> Mapping[Way, Condition]:
        """What faults make of directions of links."""
        return self._ledger.conditions

    def extra_s(self) -> Mapping[Way, float]:
        """What faults add to the delay of each direction of a link, where they add something."""
        return {way: c.extra_s for way, c in self._ledger.conditions.items() if c.extra_s}

    def darkening(self) -> list[tuple[str, float, tuple[str, ...]]]:
        """Faults that act and keep something dark: id, since when (run seconds), on what."""
        return [
            (fault.id, fault.since_s, fault.draft.target.words)
            for fault in self._ledger.begun
            if fault.draft.effect.dark or fault.draft.kind in ("down", "flap")
        ]

    def acting(self) -> dict[str, Any]:
        """For the run's status: those that act, in short, and how many are to come."""
        acting = self._ledger.begun
        return {
            "acting": [
                {"id": f.id, "kind": f.draft.kind, "on": list(f.draft.target.words), "cause": f.draft.cause}
                | ({"stage": stage} if (stage := self._ledger.stage_of(f.id)) else {})
                for f in acting
            ],
            "coming": len(self._ledger.faults) - len(acting),
        }

    async def shown(self, faults: Sequence[Fault], at_s: float) -> list[dict[str, Any]]:
        """Faults with what the fabric says of their links and nodes once all that it was told of until `at_s` holds."""
        says = await self._fabric_says(faults, at_s)
        return [
            {
                "id": fault.id,
                "kind": fault.draft.kind,
                "on": list(fault.draft.target.words),
                **fault.draft.values,
                **({"stage": self._ledger.stage_of(fault.id)} if KINDS[fault.draft.kind].stages else {}),
                "since_s": fault.since_s,
                "until_s": fault.until_s if fault.until_s < math.inf else None,
                "acts": self._ledger.acts(fault.id),
                "cause": fault.draft.cause,
                "effects": self._enactor.effects(fault.id),
                "fabric": [says[place] for place in _places(fault) if place in says],
            }
            for fault in faults
        ]

    async def _fabric_says(self, faults: Sequence[Fault], at_s: float) -> Says:
        """By direction of a link, node or cut; nothing of links that are not in use, and of none while there is no fabric."""
        if (fabric := self._feed.fabric) is None:
            return {}
        ways = dict.fromkeys(way for fault in faults for way in fault.draft.target.ways)
        numbers = {way: number for way in ways if (number := self._number(way)) is not None}
        nodes = sorted({node for fault in faults for node in fault.draft.effect.dark})
        cuts = list(dict.fromkeys(cut for fault in faults for cut in fault.draft.effect.cuts))
        try:
            values, lit, cut_ways = await fabric.read(
                max(at_s, self._clock.run_s()),
                list(numbers.values()),
                nodes,
                [(cut.sources, cut.targets) for cut in cuts],
            )
        except (TimeoutError, ConnectionError):
            return {}
        says: Says = {
            node: {"node": self._names[node], "lit": light} for node, light in zip(nodes, lit, strict=True)
        }
        for cut, count in zip(cuts, cut_ways, strict=True):
            says[cut] = {
                "from": self._named(cut.sources),
                "to": self._named(cut.targets),
                "ways": len(cut.sources) * len(cut.targets),
                "cut": count,
            }
        for way, row in zip(numbers, values.tolist(), strict=True):
            if (said := self._link(way, row)) is not None:
                says[way] = said
        return says

    def _link(self, way: Way, row: Sequence[float]) -> dict[str, Any] | None:
        s_per_byte, _, loss_ratio, extra_s, corrupt_ratio = row
        if math.isnan(s_per_byte):
            return None
        return {
            "from": self._names[way[0]],
            "to": self._names[way[1]],
            "down": extra_s == -math.inf,
            "extra_s": extra_s if extra_s > -math.inf else 0.0,
            "rate_bps": 8.0 * self._byte_scale / s_per_byte,
            "loss_ratio": loss_ratio,
            "corrupt_ratio": corrupt_ratio,
        }

    def _number(self, way: Way) -> int | None:
        pair = self._feed.pair_number(min(way), max(way))
        return None if pair is None else 2 * pair + (way[0] > way[1])

    def _named(self, nodes: Iterable[int]) -> list[str]:
        return [self._names[node] for node in sorted(nodes)]


def _places(fault: Fault) -> list[Way | int | Cut]:
    """What the fabric is asked about."""
    effect = fault.draft.effect
    return [*fault.draft.target.ways, *sorted(effect.dark), *effect.cuts]
