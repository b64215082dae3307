"""From what a user says of a workload to what is run: who asks, whom, how many; and what the generator is told."""

from __future__ import annotations

from typing import Any

import pytest

from skyrack.orchestrator.measure.store_load import StoreLoadError, clients_for, store_load
from skyrack.orchestrator.measure.workload import StoreLoad

STATUS: dict[str, Any] = {
    "scenario": {"seed": 1},
    "nodes": [
        {"name": "p0s00", "kind": "satellite", "inhabited": True, "address": "100.64.0.1"},
        {"name": "p0s01", "kind": "satellite", "inhabited": True, "address": "100.64.0.2"},
        {"name": "p0s02", "kind": "satellite", "inhabited": False, "address": "100.64.0.3"},
        {"name": "london", "kind": "ground", "inhabited": True, "address": "100.64.0.4"},
        {"name": "tokyo", "kind": "ground", "inhabited": True, "address": "100.64.0.5"},
    ],
}
SERVICES = [{"service": "etcd", "node": "p0s00"}, {"service": "etcd", "node": "p0s01"}]
WANTED: dict[str, Any] = {
    "kind": "kv", "adapter": "etcd", "scope": "s", "service": "etcd", "rate_hz": 50.0, "options": {},
}  # fmt: skip


def load(**changes: Any) -> StoreLoad:
    return store_load(STATUS, SERVICES, **{**WANTED, **changes})


def test_ground_stations_ask_all_members_at_the_adapters_usual_port() -> None:
    found = load()
    assert found.nodes == ("london", "tokyo")
    assert found.members == ("p0s00", "p0s01")
    assert found.endpoints == ("100.64.0.1:2379", "100.64.0.2:2379")
    assert set(found.pairs) == {(a, b) for a in ("london", "tokyo") for b in ("p0s00", "p0s01")}
    assert found.clients == 25


def test_who_asks_and_whom_can_be_chosen() -> None:
    found = load(at=["p0s00"], to=["p0s00"], port=99, clients=3)
    assert (found.nodes, found.endpoints, found.clients) == (("p0s00",), ("100.64.0.1:99",), 3)
    assert found.pairs, "a client beside its service leaves the mesh to be probed all the same"
    found = load(service="", endpoints=["p0s01:7", "100.64.0.5:8"])
    assert found.members == ("p0s01", "tokyo")
    assert found.endpoints == ("100.64.0.2:7", "100.64.0.5:8")


def test_there_are_clients_enough_for_the_rate() -> None:
    assert clients_for(200.0, 3) == 100
    assert clients_for(1.0, 3) == 3


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        ({"service": "ectd"}, "no service is called 'ectd'", "there are etcd"),
        ({"at": ["paris"]}, "no node with a process is called 'paris'", "p0s00"),
        ({"at": ["p0s02"]}, "no node with a process is called 'p0s02'", ""),
        ({"to": ["london"]}, "etcd is not at 'london'", "it is at p0s00, p0s01"),
        ({"clients": 1}, "1 clients cannot be spread over 2 nodes", ""),
        ({"endpoints": ["p0s00"]}, "expected NODE:PORT", ""),
        ({"endpoints": ["p0s00:99999"]}, "a port from 1 to 65535", ""),
        ({"endpoints": ["p0s00:0"]}, "a port from 1 to 65535", ""),
        ({"adapter": "etcd,x=1"}, "adapter etcd has no option 'x': its options are serializable", ""),
        ({"options": {"kys": 1}}, "kv has no option 'kys': its options are keys", ""),
        ({"endpoints": ["paris:1"]}, "no node is called 'paris'", ""),
        ({"endpoints": ["10.0.0.1:1"]}, "no node has this address", ""),
        ({"adapter": "etdc"}, "did you mean etcd?", ""),
        ({"adapter": "json:JSONDecoder"}, "has no usual port", "--port"),
        ({"kind": "json:JSONDecoder"}, "is no workload", ""),
        ({"options": {"keys": 0}}, "at least 1 is needed", ""),
    ],
)
def test_what_cannot_be_run_is_explained(changes: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(StoreLoadError) as found:
        load(**changes)
    assert message in str(found.value)
    assert hint in found.value.hint


def test_the_generator_is_told_everything() -> None:
    words = load(options={"keys": 3}, seed=7).arguments({})
    assert words[0] == "store"
    pairs = list(zip(words[1::2], words[2::2], strict=True))
    assert ("--options", '{"keys": 3}') in pairs
    assert [value for name, value in pairs if name == "--node"] == ["london", "tokyo"]
    assert [value for name, value in pairs if name == "--endpoint"] == ["100.64.0.1:2379", "100.64.0.2:2379"]
    assert ("--seed", "7") in pairs
