"""A node configuration is checked before a process exists for it."""

import json
from typing import get_args, get_type_hints

import pytest

from skyrack.groundstation.main import run
from skyrack.node.config import ConfigError, NodeConfig
from skyrack.node.mains import load_mains
from skyrack.v1.kinds import NODE_KINDS
from skyrack.v1.mesh_pb2 import NodeKind
from skyrack.v1.telemetry import Kind

GOOD: dict[str, object] = {
    "name": "p3s07",
    "kind": "satellite",
    "index": 40,
    "run": "demo",
    "address": "100.64.0.41",
    "network": "100.64.0.0/10",
    "socket_dir": "/run/skyrack/demo",
}


def test_defaults_fill_what_is_left_out() -> None:
    config = NodeConfig.from_json(json.dumps(GOOD))
    assert (config.mtu, config.gso_max_bytes, config.isolate, config.hosts_file) == (1500, 0, True, None)
    assert str(config.grpc_socket) == "/run/skyrack/demo/nodes/p3s07.sock"
    assert str(config.metrics_socket) == "/run/skyrack/demo/nodes/p3s07.metrics.sock"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", ""),
        ("name", "../x"),
        ("name", ".."),
        ("name", "a/b"),
        ("name", "a" * 64),
        ("name", None),
        ("kind", "ship"),
        ("index", -1),
        ("index", True),
        ("index", "7"),
        ("address", "10.0.0.1"),
        ("address", "100.64.0.256"),
        ("network", "100.64.0.1/10"),
        ("mtu", 575),
        ("mtu", 1500.0),
        ("gso_max_bytes", 65_537),
        ("isolate", 1),
        ("socket_dir", "/" + "d" * 90),
    ],
)
def test_a_wrong_value_is_named_by_its_key(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key):
        NodeConfig.from_mapping(GOOD | {key: value})


def test_unknown_and_missing_keys_are_named() -> None:
    with pytest.raises(ConfigError, match="colour"):
        NodeConfig.from_mapping(GOOD | {"colour": "red"})
    with pytest.raises(ConfigError, match="address"):
        NodeConfig.from_mapping({key: value for key, value in GOOD.items() if key != "address"})


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null"])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        NodeConfig.from_json(text)


def test_a_satellite_is_no_ground_station() -> None:
    with pytest.raises(ConfigError, match="ground"):
        run(NodeConfig.from_mapping(GOOD))


def test_the_kinds_of_configurations_messages_and_mains_are_the_same() -> None:
    """A kind that one of them did not know could not be started or could not say what it is."""
    assert get_args(get_type_hints(NodeConfig)["kind"]) == get_args(Kind) == tuple(NODE_KINDS)
    assert set(load_mains([])) == set(NODE_KINDS)
    for kind in NODE_KINDS:
        assert NodeConfig.from_mapping({**GOOD, "kind": kind}).kind == kind
    assert set(NODE_KINDS.values()) == set(NodeKind.values()) - {0}, "a kind has no word"
