"""Who may do what over TCP: values in, a refusal or nothing out. The Unix socket has the file system as its guard.

Host     must name this service: a page whose name was rebound to 127.0.0.1 still sends the name it was loaded from
Origin   when a browser sends one, must be this service itself
token    for everything that is not a reading, and for readings too where the run protects them
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK_NAMES = frozenset({"localhost"})
READING = frozenset({"GET", "HEAD"})
ALWAYS_OPEN = frozenset({"/healthz"})  # says up or starting, to whoever restarts containers
COMPUTING = frozenset(
    {"/v1/computed", "/v1/path", "/v1/link", "/v1/bundle", "/v1/environment"}
)  # a POST for the length of its question: it changes nothing
HOW = (
    "send 'Authorization: Bearer TOKEN'; TOKEN is in the file 'token' beside the run's api.sock "
    "(skyrack status -o json: socket_dir)"
)


@dataclass(frozen=True)
class Guard:
    """What one TCP listener asks of its clients. `names` are the names it answers to beside addresses and localhost."""

    token: str
    names: frozenset[str] = frozenset()
    protect_reads: bool = False


@dataclass(frozen=True)
class Refusal:
    """An answer instead of the one that was asked for."""

    status: int
    text: str


def refusal(guard: Guard, method: str, path: str, headers: Mapping[str, str]) -> Refusal | None:
    """Why this request is not served; None when it is. `headers` ignores case."""
    host = headers.get("Host", "")
    if not _is_ours(guard, host):
        names = ", ".join(sorted({*LOOPBACK_NAMES, *guard.names}))
        return Refusal(
            421,
            f"this service is not called {host[:80]!r}: use an address or one of {names}; --allow-host adds a name",
        )
    origin = headers.get("Origin")
    if origin is not None and _netloc(origin) != host.lower():
        return Refusal(403, f"pages from {origin[:80]!r} may not use this service")
    if not _needs_token(guard, method, path):
        return None
    scheme, _, shown = headers.get("Authorization", "").strip().partition(" ")
    if not scheme:
        what = "this" if method in READING or path in COMPUTING else "this changes the run and"
        return Refusal(401, f"{what} needs the run's token: {HOW}")
    if scheme.lower() != "bearer":
        return Refusal(401, f"authorization {scheme[:20]!r} is not known here: {HOW}")
    if not hmac.compare_digest(shown.strip().encode(errors="surrogateescape"), guard.token.encode()):
        return Refusal(403, f"not this run's token (each run has its own): {HOW}")
    return None


def _needs_token(guard: Guard, method: str, path: str) -> bool:
    if method in READING and path in ALWAYS_OPEN:
        return False
    return guard.protect_reads or not (method in READING or (method == "POST" and path in COMPUTING))


def _is_ours(guard: Guard, host: str) -> bool:
    """Whether a Host header names this service. An address always does: only names can be rebound."""
    name = _without_port(host).lower().removesuffix(".")
    if name in LOOPBACK_NAMES or name in guard.names:
        return True
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
