"""mosquitto's configuration, access rules and password file, as texts. Pure but for the salts of the passwords."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path

from skyrack.orchestrator.broker.roles import MAY_PUBLISH, MAY_READ, ROLES, Role

PORT = 1883
# What `mosquitto_passwd` writes: PBKDF2 with SHA-512, this many rounds, 12 bytes of salt.
ROUNDS = 101
SALT_BYTES = 12
# Retained state of thousands of nodes reaches a new subscriber at once; the default of 1,000 would drop the rest.
MOST_QUEUED = 100_000


def files() -> dict[str, str]:
    """Files of a broker in a container, by path below its mount: the same for every scenario and run."""
    conf = _conf(
        listeners=(f"{PORT} 0.0.0.0", "0 /run/mesh/mqtt.sock"),
        password_file="/run/broker/passwd",
        acl_file="/mosquitto/config/acl",
    )
    return {"mosquitto/mosquitto.conf": conf, "mosquitto/acl": acl()}


def local_conf(*, directory: Path, socket: Path, port: int | None) -> str:
    """The configuration of a local run's broker, whose files `passwd` and `acl` are in `directory`."""
    listeners = [f"0 {socket}"] if port is None else [f"{port} 127.0.0.1", f"0 {socket}"]
    conf = _conf(
        listeners=listeners, password_file=str(directory / "passwd"), acl_file=str(directory / "acl")
    )
    # A user namespace has this one user; as root of the host, others could not read the run's directory.
    return conf + "user root\n"


def _conf(*, listeners: tuple[str, ...] | list[str], password_file: str, acl_file: str) -> str:
    lines = [
        "per_listener_settings false",
        "allow_anonymous false",
        f"password_file {password_file}",
        f"acl_file {acl_file}",
        "persistence false",
        "sys_interval 0",
        f"max_queued_messages {MOST_QUEUED}",
        "log_dest stdout",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "connection_messages false",
        *(f"listener {listener}" for listener in listeners),
    ]
    return "\n".join(lines) + "\n"


def acl() -> str:
    """The rules of `broker.roles`. A user without a rule may do nothing."""
    blocks = []
    for role in ROLES:
        rules = [f"topic write {topic}" for topic in MAY_PUBLISH[role]]
        rules += [f"topic read {topic}" for topic in MAY_READ[role]]
        blocks.append("\n".join([f"user {role}", *rules]))
    return "\n\n".join(blocks) + "\n"


def passwd(passwords: Mapping[Role, str]) -> str:
    """The password file: a line with a salted hash for each role."""
    return "".join(
        f"{role}:{_hash(password, secrets.token_bytes(SALT_BYTES))}\n" for role, password in passwords.items()
    )


def is_passwd_of(text: str, passwords: Mapping[Role, str]) -> bool:
    """Whether a password file is of these passwords."""
    try:
        entries = dict(line.split(":") for line in text.splitlines())
        salts = {role: base64.b64decode(entry.split("$")[3]) for role, entry in entries.items()}
    except (ValueError, IndexError):
        return False
    return entries == {role: _hash(password, salts.get(role, b"")) for role, password in passwords.items()}


def _hash(password: str, salt: bytes) -> str:
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    return f"$7${ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
