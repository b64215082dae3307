"""What follows the end of a service. Pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from skyrack.node.services.runner import Ended
from skyrack.v1 import service_pb2

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
STABLE_S = 10.0  # a service that ran this long starts again with the first back-off
MOST_NAMED = 5
MOST_REASON_CHARACTERS = 400


def backoff_s(failures: int) -> float:
    """Wait before the next start: FIRST_BACKOFF_S * 2 ** (failures - 1), at most LONGEST_BACKOFF_S."""
    return float(min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(failures - 1, 30)))


@dataclass(frozen=True)
class Verdict:
    """`phase` is WAITING: it is started again."""

    phase: service_pb2.ServicePhase.ValueType
    reason: str


def verdict(policy: service_pb2.RestartPolicy.ValueType, ended: Ended) -> Verdict:
    """What becomes of a service that ended by itself.

    One that put itself into the background would do so again: only `always` tries.
    """
    failed = ended.status != 0 or bool(ended.left)
    again = policy == service_pb2.RESTART_POLICY_ALWAYS or (
        policy in (service_pb2.RESTART_POLICY_UNSPECIFIED, service_pb2.RESTART_POLICY_ON_FAILURE)
        and ended.status != 0
    )
    if again:
        phase = service_pb2.SERVICE_PHASE_WAITING
    else:
        phase = service_pb2.SERVICE_PHASE_FAILED if failed else service_pb2.SERVICE_PHASE_FINISHED
    return Verdict(phase, reason(ended))


def reason(ended: Ended) -> str:
    """How it ended, in a sentence."""
    if ended.bitten:
        return f"watchdog: {ended.bitten}"
    if ended.signal is not None:
        how = f"killed by signal {ended.signal} ({_signal_name(ended.signal)})"
    else:
        how = f"ended with status {ended.status}"
    if ended.left:
        named = ", ".join(ended.left[:MOST_NAMED]) + (", ..." if ended.left[MOST_NAMED:] else "")
        how = f"its first process {'was ' if ended.signal is not None else ''}{how} and left {len(ended.left)} behind: {named}"
        if ended.status == 0:
            return f"{how}; run it in the foreground (daemonize no, --foreground, exec in a script)"
    if ended.status != 0 and ended.last_words:
        how = f"{how}: {ended.last_words.strip()}"
    return how if len(how) <= MOST_REASON_CHARACTERS else how[: MOST_REASON_CHARACTERS - 3] + "..."


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "real-time"
