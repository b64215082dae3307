"""Carries an upgrade out: node by node waits for a contact, sends the software, changes the service, sees it well.

thread per node of a batch --GET /v1/contacts--> run
                           --gRPC Transfer-----> nodes/GATEWAY.sock: declared bytes through the links' queues
                           --POST .../version--> run: the service ends there, the new version starts
                           --GET /v1/services--> until it is well or ill
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from skyrack.orchestrator.api.client import ApiError
from skyrack.orchestrator.measure.bulk import Bulk, BulkRun, Sent
from skyrack.orchestrator.servicing.contact import Contact, first_opportunity, needs_s
from skyrack.orchestrator.servicing.rollout import Seen, batches, due, judge, to_roll_back

POLL_S = 0.1
State = Literal["upgraded", "had it", "failed", "no contact", "not begun", "interrupted", "rolled back"]
Verdict = Literal["done", "rolled back", "rollback failed", "no contact", "interrupted"]


class Api(Protocol):
    """What a run answers. Raises ApiError."""

    def get(self, path: str) -> Any:
        """GET, decoded."""

    def post(self, path: str, body: Any) -> Any:
        """POST."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be: `version` of `service` on `nodes`, `at_once` at a time.

    `gateways`: who may send the software of `size_bytes`; `relay`: over lasers too, from the first of them that has a way.
    `timeout_s`: the longest wait for a contact of one node; `ready_within_s` and `watch_s`: until it has to be ready, and how
    long it has to stay so.
    """

    service: str
    version: int
    nodes: tuple[str, ...]
    satellites: frozenset[str]
    gateways: tuple[str, ...]
    size_bytes: int
    rate_bps: float
    at_once: int
    relay: bool
    timeout_s: float
    ready_within_s: float
    watch_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went at one node; times in real seconds, `transfer_s` in the fabric's. None: it did not come to that."""

    node: str
    state: State
    version: int
    waited_s: float | None = None
    gateway: str | None = None
    path: tuple[str, ...] = ()
    transfer_s: float | None = None
    restart_s: float | None = None
    reason: str = ""


class Upgrade:
    """`run` once; `stop`, from any thread, ends it where it is. `tell` hears what happens, in sentences."""

    def __init__(self, plan: Plan, api: Api, mesh_dir: Path, tell: Callable[[str], None]) -> None:
        self._plan = plan
        self._api = api
        self._mesh_dir = mesh_dir
        self._tell = tell
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._sending: set[BulkRun] = set()
        self._announced: dict[str, str] = {}  # the contact of a node that is waited for

    def stop(self) -> None:
        """Begin nothing more; what is being sent is cancelled."""
        self._stopped.set()
        with self._lock:
            for sending in self._sending:
                sending.stop()

    def run(self) -> dict[str, Any]:
        """Everything, and what came of it, as JSON values. Raises ApiError."""
        plan = self._plan
        rows = self._rows()
        todo = due(rows, plan.nodes, plan.version)
        outcomes = {row["node"]: Outcome(row["node"], "had it", row["version"]) for row in rows}
        outcomes = {node: outcomes[node] for node in outcomes if node in plan.nodes}
        outcomes |= {node: replace(outcomes[node], state="not begun") for node in todo}
        verdict: Verdict = "done"
        for batch in batches(todo, plan.at_once):
            with ThreadPoolExecutor(len(batch), "upgrade") as pool:
                outcomes |= {one.node: one for one in pool.map(self._node, batch)}
            states = {outcomes[node].state for node in batch}
            if "failed" in states:
                verdict = self._roll_back(outcomes)
                break
            if states - {"upgraded"}:
                verdict = "interrupted" if self._stopped.is_set() else "no contact"
                break
        return {
            "service": plan.service,
            "version": plan.version,
            "verdict": verdict,
            "size_bytes": plan.size_bytes,
            "nodes": [asdict(one) for one in outcomes.values()],
        }

    def _node(self, node: str) -> Outcome:
        before = Outcome(node, "interrupted", self._row(node)["version"])
        began_s = time.monotonic()
        sent = self._send(node, began_s) if node in self._plan.satellites else None
        if isinstance(sent, Sent):
            before = replace(
                before,
                waited_s=round(time.monotonic() - began_s - (sent.took_s or 0.0), 3),
                gateway=sent.path[0],
                path=sent.path,
                transfer_s=sent.took_s,
            )
        elif isinstance(sent, str):
            state: State = "interrupted" if self._stopped.is_set() else "no contact"
            return replace(before, state=state, waited_s=round(time.monotonic() - began_s, 3), reason=sent)
        if self._stopped.is_set():
            return before
        return self._change(before)

    def _send(self, node: str, began_s: float) -> Sent | str:
        """The transfer to a node that was done, or why there was none."""
        plan, reason, told = self._plan, "", ""
        while not self._stopped.is_set() and time.monotonic() < began_s + plan.timeout_s:
            gateway, reason = self._gateway(node)
            if gateway is not None:
                sent = self._sent(gateway, node)
                if sent.error is None:
                    way = " > ".join(sent.path)
                    self._tell(f"{node}: the software is there, {sent.took_s:.3f} s over {way}")
                    return sent
                reason = sent.error
            if reason and reason != told:
                self._tell(f"{node}: {reason}")
                told = reason
            self._stopped.wait(POLL_S)
        return reason or f"no contact within {plan.timeout_s:g} s"

    def _gateway(self, node: str) -> tuple[str | None, str]:
        """Who sends now; else why nobody does."""
        plan = self._plan
        if plan.relay:
            return plan.gateways[0], ""
        answer = self._api.get(f"/v1/contacts?node={node}")
        contacts = [Contact(**contact) for contact in answer["contacts"]]
        lasts_s = needs_s(plan.size_bytes, plan.rate_bps)
        found = first_opportunity(contacts, plan.gateways, lasts_s, answer["t_s"], answer["speed"])
        if found is None:
            return None, f"waits: no contact of {lasts_s:.1f} s with {_some(plan.gateways)} is known ahead"
        if found.in_s > 0.0:
            lasts = "for good" if found.lasts_s == math.inf else f"for {found.lasts_s:.0f} s at least"
            if self._announced.get(node) != found.gateway:
                self._announced[node] = found.gateway
                self._tell(f"{node}: contact with {found.gateway} in {found.in_s:.0f} s, {lasts}")
            return None, ""
        return found.gateway, ""

    def _sent(self, gateway: str, node: str) -> Sent:
        sending = BulkRun(Bulk(((gateway, node),), self._plan.size_bytes, 1, 1, None), self._mesh_dir)
        with self._lock:
            self._sending.add(sending)
        try:
            if self._stopped.is_set():
                sending.stop()
            done = sending.run()
        finally:
            with self._lock:
                self._sending.discard(sending)
        if not done:
            return Sent(f"{gateway}>{node}", self._plan.size_bytes, 0, 0, None, None, None, (), "stopped")
        return done[0]

    def _change(self, before: Outcome) -> Outcome:
        """Run the new version at a node that has it, and see whether it is well."""
        plan, node = self._plan, before.node
        began_s = time.monotonic()
        self._api.post(f"/v1/services/{plan.service}/version", {"node": node, "version": plan.version})
        changed = replace(before, version=plan.version)
        seen = Seen()
        while True:
            now_s = time.monotonic()
            health, reason, seen = judge(
                self._row(node), seen, now_s, began_s + plan.ready_within_s, plan.watch_s
            )
            if health == "ill":
                self._tell(f"{node}: version {plan.version} fails: {reason}")
                return replace(changed, state="failed", reason=reason)
            if health == "well":
                restart_s = round((seen.good_since_s or now_s) - began_s, 3)
                self._tell(f"{node}: version {plan.version} is ready after {restart_s:.1f} s")
                return replace(changed, state="upgraded", restart_s=restart_s)
            if self._stopped.wait(POLL_S):
                return replace(changed, state="interrupted", reason="changed, and not seen to be well")

    def _roll_back(self, outcomes: dict[str, Outcome]) -> Verdict:
        """Have every node that got the version run the one before, which it still has."""
        plan = self._plan
        back = to_roll_back(self._rows(), plan.version)
        for node, version in back.items():
            self._tell(f"{node}: back to version {version}")
            self._api.post(f"/v1/services/{plan.service}/version", {"node": node, "version": version})
            before = outcomes.get(node, Outcome(node, "rolled back", version))
            state: State = "failed" if before.state == "failed" else "rolled back"
            outcomes[node] = replace(before, state=state, version=version)
        deadline_s, ill = time.monotonic() + plan.ready_within_s, dict[str, str]()
        waiting = {node: Seen() for node in back}
        while waiting:
            for node in list(waiting):
                health, reason, waiting[node] = judge(
                    self._row(node), waiting[node], time.monotonic(), deadline_s, 0.0
                )
                if health != "wait":
                    del waiting[node]
                if health == "ill":
                    ill[node] = reason
                    outcomes[node] = replace(
                        outcomes[node], state="failed", reason=f"after the rollback: {reason}"
                    )
            time.sleep(POLL_S)
        return "rollback failed" if ill else "rolled back"

    def _rows(self) -> list[dict[str, Any]]:
        every = self._api.get("/v1/services")["services"]
        return [row for row in every if row["service"] == self._plan.service]

    def _row(self, node: str) -> dict[str, Any]:
        for row in self._rows():
            if row["node"] == node:
                return row
        raise ApiError(f"{self._plan.service} does not run on {node} any more")


def _some(names: Collection[str] | Sequence[str], most: int = 3) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")
