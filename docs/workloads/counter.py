"""Counters that are incremented and read: no increment that was acknowledged is missing at the end."""

from __future__ import annotations

import random
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skyrack.check import Check, Report
from skyrack.history import History
from skyrack.workloads import Refused, Request, Store, Task, Workload, option, until_ok


@dataclass(frozen=True)
class Counter(Workload):
    """Increments of counters, by compare-and-set, and reads."""

    name = "counter"
    model = "counter"

    keys: int = option(5, "How many counters.", at_least=1)
    read_ratio: float = option(0.3, "Share of reads.", at_least=0, at_most=1)

    def generator(self, seed: int) -> Iterator[Request]:
        draw = random.Random(f"{seed}/counter")
        while True:
            f = "read" if draw.random() < self.read_ratio else "increment"
            yield Request(f, f"c{draw.randrange(self.keys)}")

    async def invoke(self, store: Store, request: Request) -> Any:
        value = await store.read(request.key)
        if request.f == "read":
            return value or 0
        if not await store.cas(request.key, value, (value or 0) + 1):
            raise Refused  # somebody else was faster: this one did not happen
        return (value or 0) + 1

    def final(self, keys: Sequence[str], clients: int) -> Iterable[Task]:
        return [until_ok(Request("read", key)) for key in keys]

    def checks(self, history: History, events: Sequence[Mapping[str, Any]] = ()) -> Report:
        counts = Tally(operation.outcome for operation in history.operations)
        return Report(self.model, counts, [self._nothing_lost(history)])

    def _nothing_lost(self, history: History) -> Check:
        increments = [o for o in history.operations if o.f == "increment"]
        sure = Tally(o.key for o in increments if o.outcome == "ok")
        perhaps = Tally(o.key for o in increments if o.outcome == "unknown")
        last = {o.key: o for o in history.operations if o.f == "read" and o.outcome == "ok"}
        wrong = [
            read for key, read in last.items() if not sure[key] <= read.result <= sure[key] + perhaps[key]
        ]
        if wrong:
            shown = [f"{o.key} is {o.result}, {sure[o.key]} were acknowledged" for o in wrong]
            return Check("no increment lost", "bad", "\n".join(shown), [o.index for o in wrong])
        if missing := sure.keys() - last.keys():
            return Check("no increment lost", "inconclusive", f"never read: {', '.join(sorted(missing))}")
        return Check("no increment lost", "ok", f"{sure.total():,} acknowledged, none lost")
