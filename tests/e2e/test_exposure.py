"""What a local run can be reached on, and by whom: everything that docs/security.md promises of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path

import pytest

from .listeners import Internet, internet, network_of, unix
from .place import PATIENCE_S, Place, eventually, port

pytestmark = [pytest.mark.mesh, pytest.mark.together]

GRPC_PORT = 50051
GROUP_AND_OTHERS = 0o077


PORT, BROKER_PORT, ENTRY_PORT = port(18200), port(18900), port(18910)


def by_network(pids: Iterable[int]) -> dict[str, list[int]]:
    """Processes by their network namespace."""
    found: dict[str, list[int]] = {}
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):  # it has ended meanwhile
            found.setdefault(network_of(pid), []).append(pid)
    return found


def test_a_run_listens_on_loopback_and_on_sockets_that_only_its_user_can_reach(either: Place) -> None:
    either.up("--port", PORT, "--broker-port", BROKER_PORT, "--entry-port", ENTRY_PORT)
    entries = {int(entry["proxy"].removeprefix("127.0.0.1:")) for entry in either.status()["entries"]}
    assert len(entries) == 2
    networks = by_network(either.processes())
    host = internet(networks.pop(network_of("self")))
    assert host == {Internet("tcp", "127.0.0.1", number) for number in (PORT, BROKER_PORT, *entries)}

    addresses = {node["address"] for node in either.status()["nodes"] if node["inhabited"]}
    reached = set()
    for pids in networks.values():
        (only,) = {found for found in internet(pids) if not found.address.startswith("127.")}
        assert (only.protocol, only.port) == ("tcp", GRPC_PORT), "a node is reached over the mesh only"
        reached.add(only.address)
    assert reached == addresses

    paths = unix(either.processes())
    assert len(paths) >= 3 + 2 * len(addresses)
    for text in paths:
        path = Path(text)
        assert path.is_relative_to(either.sockets), f"{text}: outside the run's directory"
        assert not path.stat().st_mode & GROUP_AND_OTHERS, f"{text}: open to others"


def test_nobody_else_can_enter_where_the_sockets_and_secrets_are(either: Place) -> None:
    before = os.umask(0)  # what a careless shell would hand on
    try:
        either.up("--port", PORT)
    finally:
        os.umask(before)
    owner = either.uid if either.uid is not None else os.getuid()
    for path in (either.sockets, *either.sockets.rglob("*")):
        try:
            found = path.lstat()
        except FileNotFoundError:  # what is written whole has another name until then
            continue
        assert found.st_uid == owner, path
        if (
            stat.S_ISDIR(found.st_mode)
            or stat.S_ISSOCK(found.st_mode)
            or path.name in ("token", "small.lock", "mqtt.json", "passwd")
        ):
            assert not found.st_mode & GROUP_AND_OTHERS, f"{path}: {stat.filemode(found.st_mode)}"


def test_the_token_is_in_its_file_and_nowhere_else(place: Place) -> None:
    place.up("--port", PORT)
    token = (place.sockets / "small" / "token").read_text().strip()
    assert ask("POST", "/v1/nodes/london/kill", token=None) == 401
    assert ask("POST", "/v1/nodes/london/kill", token="x" * 43) == 403
    assert ask("POST", "/v1/nodes/london/kill", token=token) == 200
    place.event("node_signalled", node="london")
    assert token not in place.skyrack("status", "-o", "json").expect().text
    assert ask("POST", "/v1/down", token=token) == 200
    eventually(lambda: not place.processes(), "everything ended")
    place.down()
    for path in place.directory.rglob("*"):
        if path.is_file():
            assert token.encode() not in path.read_bytes(), path


def test_a_run_can_ask_for_its_token_for_readings_too(place: Place) -> None:
    place.up("--port", PORT, "--protect-reads", "--allow-host", "sky.example")
    assert ask("GET", "/v1/status", token=None) == 401
    assert ask("GET", "/v1/status", token=(place.sockets / "small" / "token").read_text().strip()) == 200
    assert ask("GET", "/healthz", token=None, host="sky.example") == 200
    assert ask("GET", "/healthz", token=None, host="evil.example") == 421
    assert place.status()["state"] == "up", "the commands need no token: they use the Unix socket"


def test_without_a_port_a_run_is_not_on_the_network_at_all(place: Place) -> None:
    place.up("--port", 0)
    assert internet(by_network(place.processes())[network_of("self")]) == set()
    assert not (place.sockets / "small" / "token").exists()


def ask(method: str, path: str, *, token: str | None, host: str = "localhost") -> int:
    """Status of an answer over TCP."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE_S)
    headers = {"Host": host} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        connection.request(method, path, json.dumps({"signal": 9}) if method == "POST" else None, headers)
        return connection.getresponse().status
    finally:
        connection.close()
