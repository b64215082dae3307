"""Transfers that are stored and forwarded: what whoever asked hears of them, events and sums. custody.py carries them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.routing.bundle_route import NoBundleRouteError
from skyrack.orchestrator.routing.contacts import Leg
from skyrack.orchestrator.runtime.custody import (
    Bundle,
    BundleExpiredError,
    BundleLostError,
    Custodian,
    Planner,
)
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.nodes import NodeBook, NodeState
from skyrack.orchestrator.runtime.stores import Stores
from skyrack.orchestrator.runtime.transfers import (
    Custody,
    Outcome,
    Progress,
    Refusal,
    TransferRefusedError,
    Transfers,
)
from skyrack.orchestrator.timeline import Piece
from skyrack.orchestrator.topology.failures import Failures

Fate = Literal["delivered", "cancelled", "lost", "expired"]


@dataclass
class BundleTotals:
    """Since the start of the run."""

    ended: dict[str, int] = field(
        default_factory=lambda: {"delivered": 0, "cancelled": 0, "lost": 0, "expired": 0}
    )
    stored: int = 0  # times a node on the way took one in custody
    missed: int = 0  # contacts


class Bundles:
    """Gives `transfers` a way where there is none now; `names` of all nodes."""

    def __init__(
        self,
        transfers: Transfers,
        planner: Planner,
        stores: Stores,
        names: Sequence[str],
        book: NodeBook,
        events: EventLog,
        clock: Clock,
        joined: Callable[[int, int], bool],
        failures: Callable[[], Failures],
        pieces: Callable[[], tuple[Piece, ...]] = tuple,
    ) -> None:
        self._transfers = transfers
        self._names = names
        self._events = events
        self._clock = clock
        self._custodian = Custodian(
            clock=clock,
            planner=planner,
            stores=stores,
            send=transfers.leg,
            joined=joined,
            failures=failures,
            tell=self._tell,
            pieces=pieces,
        )
        self.stores = stores
        self.totals = BundleTotals()
        book.listen(self._node_changed)

    async def follow(
        self, number: int, src: int, dst: int, size_bytes: int, traffic_class: int, no_way: str
    ) -> AsyncGenerator[Progress, None]:
        """What is new of a bundle until it has arrived; to end the iteration is to cancel it. Raises TransferRefusedError."""
        newest: Progress | None = None
        started_s = self._clock.run_s()
        outcome: Outcome = "cancelled"
        fate: Fate = "cancelled"
        try:
            async with aclosing(self._custodian.carry(number, src, dst, size_bytes, traffic_class)) as news:
                async for bundle in news:
                    first = newest is None
                    newest = self._progress(bundle, newest, started_s)
                    if first:
                        self._transfers.begun(newest, size_bytes)
                    if newest.state == "done":
                        outcome, fate = "done", "delivered"
                        self._transfers.totals.delivered_bytes += size_bytes
                    yield newest
        except NoBundleRouteError as error:
            refusal = Refusal.STORE_FULL if error.full else Refusal.NO_WAY
            raise TransferRefusedError(refusal, f"{no_way}; nor by contacts to come: {error}") from error
        except BundleLostError as error:
            outcome, fate, node = "failed", "lost", self._names[error.args[0]]
            text = f"{node} has ended with all {size_bytes} bytes in its custody: nobody else has them"
            raise TransferRefusedError(Refusal.LOST, text) from error
        except BundleExpiredError as error:
            outcome, fate, node = "failed", "expired", self._names[error.args[0]]
            text = f"no contact for longer than contact_horizon_s: {size_bytes} bytes were stored at {node}"
            raise TransferRefusedError(Refusal.EXPIRED, text) from error
        finally:
            if newest is not None:
                self.totals.ended[fate] += 1
                self._transfers.ended(newest, outcome)

    async def way(self, src: int, dst: int, size_bytes: int) -> tuple[Leg, ...]:
        """How a bundle would go that is asked for now. Raises NoBundleRouteError."""
        return await self._custodian.way(src, dst, size_bytes)

    def _progress(self, bundle: Bundle, before: Progress | None, started_s: float) -> Progress:
        names, legs, crossing = self._names, bundle.legs, bundle.crossing
        path = tuple(names[node] for node in bundle.stations)
        if bundle.here == bundle.dst:
            assert before is not None
            return Progress(
                bundle.number, "done", bundle.size_bytes, bundle.resent_bytes, started_s, bundle.at_s,
                before.idle_s, path, traffic_class=bundle.traffic_class,
            )  # fmt: skip
        custody = Custody(
            names[bundle.here],
            names[legs[0].dst] if legs else None,
            legs[0].departs_s if legs else None,
            legs[-1].arrives_s if legs else None,
        )
        last_leg = crossing is not None and len(legs) == 1
        return Progress(
            bundle.number,
            "waiting" if crossing is None else "running",
            crossing.delivered_bytes if crossing is not None and last_leg else 0,
            bundle.resent_bytes + (crossing.resent_bytes if crossing is not None else 0),
            started_s,
            started_s if before is None else self._clock.run_s(),
            before.idle_s if before is not None else legs[-1].arrives_s - started_s,
            path,
            custody,
            bundle.traffic_class,
        )

    def _tell(self, event: str, bundle: Bundle, fields: dict[str, object]) -> None:
        names = self._names
        match event:
            case "contact_missed":
                self.totals.missed += 1
                vain = fields["sent_in_vain_bytes"]
                assert isinstance(vain, int)
                self._transfers.totals.resent_bytes += vain
                fields = {"to": names[bundle.legs[0].dst], **fields}
            case "bundle_stored":
                self.totals.stored += 1
                fields = {"bytes": bundle.size_bytes, **fields}
            case "bundle_routed":
                legs = [
                    {"to": names[leg.dst], "departs_s": round(leg.departs_s, 6), "arrives_s": round(leg.arrives_s, 6)}
                    for leg in bundle.legs
                ]  # fmt: skip
                fields = {**fields, "legs": legs, "arrives_s": round(bundle.legs[-1].arrives_s, 6)}
        run_s = bundle.at_s if event == "bundle_stored" else None
        self._events.add(event, run_s=run_s, transfer=bundle.number, node=names[bundle.here], **fields)

    def _node_changed(self, node: NodeState) -> None:
        if not node.alive:
            self._custodian.ended(node.index)
