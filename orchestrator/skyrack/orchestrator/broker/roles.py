"""Who uses the telemetry bus, and what each may do there. Pure; both brokers enforce these rules."""

from __future__ import annotations

import secrets
from typing import Literal, get_args

from skyrack.v1.telemetry import ROOT

Role = Literal["node", "orchestrator", "viewer"]
ROLES: tuple[Role, ...] = get_args(Role)

# Topic filters of MQTT: + is one level, # is all that follow.
MAY_PUBLISH: dict[Role, tuple[str, ...]] = {
    "node": (f"{ROOT}/+/node/+/state", f"{ROOT}/+/node/+/telemetry"),
    "orchestrator": (
        f"{ROOT}/+/environment",
        f"{ROOT}/+/event",
        f"{ROOT}/+/node/+/forecast",
        f"{ROOT}/+/node/+/state",  # to take back what nodes leave
    ),
    "viewer": (),
}
MAY_READ: dict[Role, tuple[str, ...]] = {"node": (), "orchestrator": (), "viewer": (f"{ROOT}/#",)}


def new_passwords() -> dict[Role, str]:
    """A random password for each role."""
    return {role: secrets.token_urlsafe(18) for role in ROLES}


def may_publish(user: str | None, topic: str) -> bool:
    """Whether the rules let the user of that name publish on the topic."""
    return any(role == user and any(matches(f, topic) for f in MAY_PUBLISH[role]) for role in ROLES)


def may_read(user: str | None) -> bool:
    """Whether the user of that name may subscribe at all; on a broker of ours there is nothing below other roots."""
    return any(role == user and bool(MAY_READ[role]) for role in ROLES)


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic is one of a filter's (MQTT 3.1.1, 4.7)."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted.pop()
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(
        w in ("+", level) for w, level in zip(wanted, levels, strict=True)
    )
