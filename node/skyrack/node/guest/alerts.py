"""What there is to tell a guest: the difference between what the node knew and what it knows. Pure; time is handed in.

    view, view, view ...  -->  links begun, ended, lost, back; mesh, orchestrator lost, back; flight mode; stopping
    view and time         -->  eclipse began, ended; contact begins, ends soon

Nothing is queued: who looks seldom is told what became of it, not every step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from skyrack.node.knowledge import Knowledge
from skyrack.v1 import control_pb2, guest_pb2, mesh_pb2

LEAD_S = 10.0  # how long before a contact begins or ends it is announced, in real time: guests need it to act

_FLIGHT = {
    control_pb2.FLIGHT_MODE_NOMINAL: guest_pb2.ALERT_KIND_FLIGHT_NOMINAL,
    control_pb2.FLIGHT_MODE_THROTTLED: guest_pb2.ALERT_KIND_FLIGHT_THROTTLED,
    control_pb2.FLIGHT_MODE_SAFE: guest_pb2.ALERT_KIND_FLIGHT_SAFE,
}


@dataclass(frozen=True)
class View:
    """What a node knows at a moment. `lost`: neighbours whose link it has noticed to be dark."""

    knowledge: Knowledge | None = None
    lost: frozenset[str] = frozenset()
    joined: bool = False
    attached: bool = False
    stopping: bool = False
    flight: control_pb2.FlightState | None = None
    """What the flight software has decided; None without any, and before it has."""


class AlertWatch:
    """One listener's: what it has been told. `view` is what it knows as it begins."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._announced: set[tuple[str, int, float]] = set()
        self._in_shadow: bool | None = None

    def look(self, view: View, monotonic_ns: int) -> list[guest_pb2.Alert]:
        """What is new at a reading of CLOCK_MONOTONIC, in the order in which it happened."""
        before, self._view = self._view, view
        knowledge, alerts = view.knowledge, list[guest_pb2.Alert]()
        if knowledge is None:
            return [*_node_alerts(before, view, 0.0)]
        t_s = knowledge.t_s(monotonic_ns)
        if before.knowledge is not None:
            alerts += _link_alerts(before.knowledge, before.lost, knowledge, view.lost, t_s)
        alerts += self._shadow_alerts(knowledge, t_s)
        alerts += self._contact_alerts(knowledge, t_s)
        alerts += _node_alerts(before, view, t_s)
        for alert in alerts:
            alert.time.FromNanoseconds(knowledge.utc_ns(alert.t_s))
        return sorted(alerts, key=lambda alert: alert.t_s)

    def wait_s(self, monotonic_ns: int) -> float:
        """Real time until there may be something new without any news; infinite where nothing is expected."""
        knowledge = self._view.knowledge
        if knowledge is None:
            return math.inf
        t_s, lead_s = knowledge.t_s(monotonic_ns), LEAD_S * knowledge.speed
        instants = [at_s - lead_s for _, _, at_s in _turns(knowledge, t_s)]
        if (around := knowledge.surroundings) is not None:
            instants += [at_s for one in around.eclipses for at_s in (one.start_t_s, one.end_t_s)]
        return knowledge.real_s(min((at_s - t_s for at_s in instants if at_s > t_s), default=math.inf))

    def _shadow_alerts(self, knowledge: Knowledge, t_s: float) -> Iterator[guest_pb2.Alert]:
        before, now = self._in_shadow, knowledge.in_shadow(t_s)
        if now is not None:
            self._in_shadow = now
        if before is None or now is None or now == before:
            return
        if now:
            yield guest_pb2.Alert(
                t_s=t_s, kind=guest_pb2.ALERT_KIND_ECLIPSE_BEGAN, text="in the shadow of the Earth"
            )
        else:
            yield guest_pb2.Alert(t_s=t_s, kind=guest_pb2.ALERT_KIND_ECLIPSE_ENDED, text="in the Sun again")

    def _contact_alerts(self, knowledge: Knowledge, t_s: float) -> Iterator[guest_pb2.Alert]:
        horizon_s = t_s + LEAD_S * knowledge.speed
        turns = list(_turns(knowledge, t_s))
        soon = [turn for turn in turns if turn[2] <= horizon_s]
        kinds = {contact.peer: contact.kind for contact in knowledge.contacts(t_s)}
        for peer, kind, at_s in soon:
            if (peer, kind, round(at_s, 3)) in self._announced:
                continue
            begins = kind == guest_pb2.ALERT_KIND_CONTACT_BEGINS_SOON
            yield guest_pb2.Alert(
                t_s=t_s,
                kind=kind,
                text=f"contact with {peer} {'begins' if begins else 'ends'} at t = {at_s:.3f} s",
                peer=peer,
                peer_kind=kinds[peer],
                at_t_s=at_s,
            )
            self._announced.add((peer, kind, round(at_s, 3)))
        self._announced &= {(peer, kind, round(at_s, 3)) for peer, kind, at_s in turns}


def _turns(knowledge: Knowledge, t_s: float) -> Iterator[tuple[str, guest_pb2.AlertKind.ValueType, float]]:
    """Begins and ends of contacts after `t_s`: peer, kind of the alert, when. An end beyond the forecast is none."""
    for contact in knowledge.contacts(t_s):
        if contact.start_t_s > t_s:
            yield contact.peer, guest_pb2.ALERT_KIND_CONTACT_BEGINS_SOON, contact.start_t_s
        if contact.end_t_s < knowledge.contacts_until_t_s:
            yield contact.peer, guest_pb2.ALERT_KIND_CONTACT_ENDS_SOON, contact.end_t_s


def _node_alerts(before: View, after: View, t_s: float) -> Iterator[guest_pb2.Alert]:
    """About the node itself."""
    happened: list[tuple[bool, guest_pb2.AlertKind.ValueType, str]] = [
        (
            before.attached and not after.attached,
            guest_pb2.ALERT_KIND_MESH_LOST,
            "the fabric does not serve this node: its links are dark",
        ),
        (
            after.attached and not before.attached,
            guest_pb2.ALERT_KIND_MESH_BACK,
            "the fabric serves this node again",
        ),
        (
            before.joined and not after.joined,
            guest_pb2.ALERT_KIND_ORCHESTRATOR_LOST,
            "no word from the orchestrator any more: what is known here grows old",
        ),
        (
            after.joined and not before.joined and before.knowledge is not None,
            guest_pb2.ALERT_KIND_ORCHESTRATOR_BACK,
            "the orchestrator talks to this node again",
        ),
        (
            after.stopping and not before.stopping,
            guest_pb2.ALERT_KIND_NODE_STOPPING,
            "the node is about to stop",
        ),
    ]
    for so, kind, text in happened:
        if so:
            yield guest_pb2.Alert(t_s=t_s, kind=kind, text=text)
    old, new = before.flight, after.flight
    if old is not None and new is not None and (old.mode, old.cpu_cores) != (new.mode, new.cpu_cores):
        yield guest_pb2.Alert(t_s=t_s, kind=_FLIGHT[new.mode], text=new.reason)


def _link_alerts(
    before: Knowledge, lost_before: frozenset[str], after: Knowledge, lost: frozenset[str], t_s: float
) -> Iterator[guest_pb2.Alert]:
    """Planned changes hold from the begin of the epoch they came with; what was noticed is told as of now."""
    old, new = ({peer.name: peer for peer in known.neighbours} for known in (before, after))
    planned_s = min(after.epoch.t0_s, t_s)

    def alert(
        at_s: float, kind: guest_pb2.AlertKind.ValueType, peer: mesh_pb2.Neighbour, text: str
    ) -> guest_pb2.Alert:
        return guest_pb2.Alert(t_s=at_s, kind=kind, text=text, peer=peer.name, peer_kind=peer.kind)

    for name, peer in old.items():
        if name not in new and name not in lost_before:
            yield alert(
                planned_s, guest_pb2.ALERT_KIND_LINK_ENDED, peer, f"the link to {name} ended as planned"
            )
    for name, peer in new.items():
        was_lost, is_lost = name in lost_before and name in old, name in lost
        if name not in old and not is_lost:
            yield alert(
                planned_s, guest_pb2.ALERT_KIND_LINK_BEGAN, peer, f"the link to {name} began as planned"
            )
        elif is_lost and not was_lost:
            text = f"no light from {name}: the link is dark, unplanned"
            yield alert(t_s, guest_pb2.ALERT_KIND_LINK_LOST, peer, text)
        elif was_lost and not is_lost:
            yield alert(t_s, guest_pb2.ALERT_KIND_LINK_BACK, peer, f"the link to {name} is back")
