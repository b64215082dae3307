"""Events of a run as sentences."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import Any

from skyrack.orchestrator.cli.clock_words import change_words

# What `skyrack up` shows as it happens; the rest is in `skyrack logs`.
_NEWS = {
    "node_signalled", "node_exited", "node_failed", "node_watchdog", "fabric_down", "fabric_up", "all_serving", "events_lost",
    "plan_failed", "fabric_failed", "orchestrator_restarted", "broker_down", "broker_up", "entry_down", "entry_up",
    "fault_began", "fault_failed", "fault_ended", "fault_stage", "fault_mended", "launch_ordered", "launch_phase",
    "service_unready", "service_ended", "service_failed", "service_added", "service_removed", "service_restarted",
    "service_changed", "node_drained", "node_undrained", "service_stopped", "flight_mode", "clock_changed",
    "occurrences_skipped",
}  # fmt: skip
_WARNINGS = {
    "node_exited", "node_dark", "fabric_down", "fabric_failed", "plan_failed", "orchestrator_restarted",
    "node_watchdog", "broker_down", "entry_down", "fault_began", "fault_failed", "prober_ended",
    "service_unready", "service_ended", "service_failed", "service_stopped",
}  # fmt: skip
_SHOWN = {"seq", "run_s", "event", "node"}
_FAULT = {"fault_began": "begins", "fault_resumed": "goes on", "fault_ended": "ends"}
_SERVICE = {
    "service_ready": "is ready",
    "service_unready": "is not ready any more",
    "service_ended": "has ended and is to be started again",
    "service_finished": "has finished",
    "service_failed": "has failed",
    "service_drained": "has ended: its node is drained",
    "service_stopped": "is stopped by its node",
}


def is_news(event: Mapping[str, Any]) -> bool:
    """Whether somebody who watches the run wants to see it at once."""
    if event["event"] == "node_serving":
        return bool(event.get("cause") == "restart")
    return event["event"] in _NEWS


def sentence(event: Mapping[str, Any]) -> str:
    """One event in words; one that has no sentence of its own as its name and fields."""
    node = event.get("node", "")
    match event["event"]:
        case "ready":
            return f"ready: all {event.get('nodes')} nodes serve"
        case "node_serving" if event.get("cause") == "restart":
            return f"{node} serves again (restart {event.get('restarts')})"
        case "node_serving" if event.get("cause") == "attach":
            return f"{node} serves again (same process)"
        case "node_serving":
            return f"{node} serves"
        case "node_lit":
            return f"{node}: lasers lit"
        case "node_dark":
            return f"{node}: lasers dark"
        case "node_exited" if "signal" in event:
            return f"{node} ended: killed by {_signal(event['signal'])}"
        case "node_exited" if "code" in event:
            return f"{node} ended with status {event['code']}"
        case "node_exited":
            return f"{node} has ended"
        case "node_watchdog":
            return f"{node} has not run for {event.get('silent_s')} s: its watchdog kills it"
        case "node_failed":
            return f"{node} cannot be started: {event.get('error')}"
        case "node_signalled":
            return f"{node} is sent {_signal(event.get('signal'))}"
        case "flight_mode":
            return f"{node} flies in mode {event.get('mode')}: {event.get('reason')}"
        case "flight_throttle":
            return f"{node}, for its flight software: {'; '.join(event.get('effect', []))}"
        case "handover":
            return f"{node} sends to {event.get('to')} instead of {event.get('from')}"
        case "fabric_down":
            how = f" ({_status(event['status'])})" if "status" in event else ""
            return f"the fabric ended{how}: all lasers dark until there is another"
        case "fabric_failed":
            return f"a fabric that had connected does not serve: {event.get('error')}"
        case "fabric_up":
            return "the fabric is up again"
        case "broker_down":
            return f"the broker ended ({_status(event.get('status'))}): no telemetry until the next one"
        case "broker_up":
            return "the broker is up again"
        case "entry_down":
            how = event["error"] if "error" in event else _status(event.get("status"))
            return f"the entries' process ended ({how}): who comes in from outside waits for the next one"
        case "entry_up":
            return "the entries' process is started again"
        case "prober_ended":
            return "the run's own prober ended: no fidelity metrics until the next one"
        case "all_serving":
            return f"all {event.get('nodes')} nodes serve again"
        case "events_lost":
            return f"events are being lost: {event.get('error')}"
        case "fault_began" | "fault_resumed" | "fault_ended":
            what = f"{event.get('kind')} on {_sides(event.get('on', []))}"
            return f"fault {event.get('fault')} {_FAULT[event['event']]}: {what}"
        case "fault_stage":
            what = f"{event.get('kind')} on {_sides(event.get('on', []))}"
            return f"fault {event.get('fault')} comes to {event.get('stage')}: {what}"
        case "fault_mended":
            return f"fault {event.get('fault')} is mended at {_some(event.get('on', []))} by fault {event.get('by')}"
        case "node_drained":
            return f"{node} is drained: {_some(event.get('services', [])) or 'no service'} to end there"
        case "node_undrained":
            return f"{node} is drained no more"
        case "service_container":
            done = f"cannot be: {event['error']}" if "error" in event else "; ".join(event.get("effect", []))
            return f"{event.get('service')} at {node}, in its container: {done}"
        case "service_changed":
            versions = f"version {event.get('before')} to {event.get('version')}"
            return f"{event.get('service')} at {node} is changed from {versions}"
        case "fault_effect" | "fault_undone":
            seen = "; ".join(event.get("effect", [])) or "nothing to see"
            undone = " undone" if event["event"] == "fault_undone" else ""
            return f"fault {event.get('fault')}{undone} at {event.get('on')}: {seen}"
        case "fault_failed":
            where = f" at {event['on']}" if "on" in event else ""
            return f"fault {event.get('fault') or event.get('kind')} failed{where}: {event.get('reason')}"
        case "launch_ordered":
            when = f"at {event.get('t_s')} s of orbit time"
            return f"{event.get('launch')}: {event.get('satellites')} satellites are launched {when}"
        case "launch_phase":
            verb = "is" if len(event.get("on", [])) == 1 else "are"
            return f"{event.get('launch')}: {_some(event.get('on', []))} {verb} {event.get('phase')}"
        case "occurrences_skipped":
            kinds = ", ".join(f"{count:,} {kind}" for kind, count in event.get("kinds", {}).items())
            return f"left out ({event.get('reason')}): {kinds}"
        case happened if happened in _SERVICE:
            why = f": {event['reason']}" if event.get("reason") else ""
            after = f" after {event['after_s']:g} s" if "after_s" in event else ""
            return f"{event.get('service')} at {node} {_SERVICE[happened]}{after}{why}"
        case "service_added" | "service_removed" | "service_restarted":
            words = {"added": "is added at", "removed": "is removed from", "restarted": "starts anew at"}
            done = words[event["event"].removeprefix("service_")]
            return f"{event.get('service')} {done} {_some(event.get('nodes', []))}"
        case "bundle_routed":
            legs = event.get("legs", [])
            way = " > ".join([node, *(str(leg["to"]) for leg in legs)])
            when = f"arrives at {event.get('arrives_s')} s ({event.get('why')})"
            return f"transfer {event.get('transfer')} goes {way}, {when}"
        case "bundle_stored":
            return f"transfer {event.get('transfer')} is stored at {node}"
        case "bundle_stranded":
            return f"transfer {event.get('transfer')} stays at {node}: {event.get('why')}"
        case "contact_missed":
            return f"transfer {event.get('transfer')} is still at {node}: no contact with {event.get('to')}"
        case "clock_changed":
            return change_words(event)
        case "plan_failed":
            return f"no plan.jsonl: {event.get('error')}"
        case "orchestrator_restarted":
            return "the orchestrator is back: the run goes on"
        case "failed":
            return f"the run failed: {event.get('error')}"
        case other:
            fields = " ".join(f"{key}={value}" for key, value in event.items() if key not in _SHOWN)
            return f"{other} {node} {fields}".replace("  ", " ").strip()


def _some(words: Sequence[str], most: int = 3) -> str:
    listed = ", ".join(words[:most])
    return listed if len(words) <= most else f"{listed} and {len(words) - most} more"


def _sides(words: Sequence[str]) -> str:
    """What a fault acts on; of a partition each side, with `to` between."""
    if "to" not in words:
        return _some(words)
    between = list(words).index("to")
    return f"{_some(words[:between])} to {_some(words[between + 1 :])}"


def level(event: Mapping[str, Any]) -> str:
    """`error`, `warning` or `info`."""
    if event["event"] in ("failed", "node_failed", "events_lost"):
        return "error"
    return "warning" if event["event"] in _WARNINGS else "info"


def _signal(number: object) -> str:
    try:
        return signal.Signals(int(str(number))).name
    except ValueError:
        return f"signal {number}"


def _status(status: object) -> str:
    return f"killed by {_signal(-status)}" if isinstance(status, int) and status < 0 else f"status {status}"
