"""Databases lose in a power loss what their own settings say that they may lose, and nothing that they promised."""

from __future__ import annotations

import shutil

import pytest

from skyrack.orchestrator.api.client import ApiClient
from skyrack.orchestrator.runtime.services.disks import DEVICE

from .place import PATIENCE_S, Place, eventually

pytestmark = [
    pytest.mark.together,
    pytest.mark.mesh,
    pytest.mark.skipif(not DEVICE.exists(), reason="there is no /dev/fuse here"),
    pytest.mark.skipif(
        not all(map(shutil.which, ("redis-server", "redis-cli", "etcd", "etcdctl"))),
        reason="Redis or etcd is not installed",
    ),
]

_REDIS = "redis-server --port 6379 --dir {{data}} --bind 0.0.0.0 --protected-mode no --appendonly yes --appendfsync {}"
_ETCD = (
    "etcd --data-dir={{data}}/member --listen-client-urls=http://{{address}}:2379 "
    "--advertise-client-urls=http://{{node}}:2379 --listen-peer-urls=http://127.0.0.1:2380 {}"
)
_NODES = {
    "london": ("redis", _REDIS.format("always")),
    "tokyo": ("redis-no-fsync", _REDIS.format("no")),
    "p0s00": ("etcd", _ETCD.format("")),
    "p0s01": ("etcd-no-fsync", _ETCD.format("--unsafe-no-fsync")),
}
_SERVICES = "".join(
    f"  - name: {name}\n    nodes: [{node}]\n    command: [{', '.join(map(repr, command.split()))}]\n"
    f"    ready: {{{'port: 6379' if 'redis' in name else 'http: 2379/health'}}}\n    faults: [disk]\n    restart: always\n"
    "    limits: {disk_mb: 200}\n"
    for node, (name, command) in _NODES.items()
)
SCENARIO = f"""\
version: 1
name: small
extends: iridium
inhabited: [p0s00, p0s01]
ground: [london, tokyo]
services:
{_SERVICES}"""
# Its own patience for a connection is 2 s, and for an answer 5 s.
ETCDCTL = f"ETCDCTL_API=3 etcdctl --dial-timeout={PATIENCE_S:g}s --command-timeout={PATIENCE_S:g}s"


def test_what_was_acknowledged_with_an_fsync_survives_and_what_was_not_is_lost(place: Place) -> None:
    place.scenario.write_text(SCENARIO)
    place.up()
    write = "; ".join(
        [
            *(f"redis-cli -h {node} set key kept" for node in ("london", "tokyo")),
            *(f"{ETCDCTL} --endpoints={node}:2379 put key kept" for node in ("p0s00", "p0s01")),
        ]
    )
    assert place.skyrack("exec", "london", "--", "sh", "-c", write).expect().out.count("OK\n") == 4
    api = ApiClient(place.sockets / "small", PATIENCE_S)
    api.post("/v1/faults", {"faults": [{"kind": "power", "nodes": list(_NODES), "for_s": 0.2}]})
    for node in _NODES:
        place.event("node_serving", node=node, restarts=1)

    sure = [name for name, _ in _NODES.values() if name != "etcd-no-fsync"]
    eventually(
        lambda: all(
            row["phase"] == "ready" for row in api.get("/v1/services")["services"] if row["service"] in sure
        ),
        "ready again",
    )
    read = f"redis-cli -h london get key; {ETCDCTL} --endpoints=p0s00:2379 get --print-value-only key"
    assert place.skyrack("exec", "london", "--", "sh", "-c", read).expect().out.split() == ["kept", "kept"]
    assert (
        place.skyrack("exec", "london", "--", "redis-cli", "-h", "tokyo", "get", "key").expect().out.strip()
        == ""
    )
    # This one has an empty log, without itself as a member: it never has a leader again.
    log = place.runs / "latest" / "logs" / "p0s01.etcd-no-fsync.jsonl"
    eventually(lambda: "at commit index 0" in log.read_text(), "an empty log")
