"""The broker of a compose project finds its passwords, and everybody keeps them."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from skyrack.orchestrator.broker.roles import ROLES, new_passwords
from skyrack.orchestrator.render import mosquitto
from skyrack.orchestrator.runtime.brokers import AwaitedBroker
from skyrack.orchestrator.runtime.places import Places


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for name in ("run", "mesh", "broker"):
        (tmp_path / name).mkdir()
    return Places(tmp_path / "run", tmp_path / "mesh", tmp_path / "run")


def test_the_password_file_has_hashes_alone_and_nobody_else_reads_it(places: Places, tmp_path: Path) -> None:
    broker = AwaitedBroker(tmp_path / "broker", tmp_path / "kept", places)
    path = tmp_path / "broker" / "passwd"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = path.read_text().splitlines()
    assert [line.split(":")[0] for line in lines] == ["node", "orchestrator", "viewer"]
    assert all(line.split(":")[1].startswith("$7$") for line in lines)
    for role in ("node", "orchestrator", "viewer"):
        assert str(broker.address(role).password) not in path.read_text()


def test_a_restarted_orchestrator_keeps_the_passwords_that_nodes_and_broker_have(
    places: Places, tmp_path: Path
) -> None:
    first = AwaitedBroker(tmp_path / "broker", tmp_path / "kept", places)
    hashes = (tmp_path / "broker" / "passwd").read_text()
    for path in places.socket_dir.iterdir():
        path.unlink()  # what claiming the run's name does
    second = AwaitedBroker(tmp_path / "broker", tmp_path / "kept", places)
    assert second.address("node") == first.address("node")
    assert (tmp_path / "broker" / "passwd").read_text() == hashes
    way = json.loads((places.socket_dir / "mqtt.json").read_text())
    assert way["password"] == first.address("viewer").password


def test_a_password_file_of_other_passwords_is_replaced(places: Places, tmp_path: Path) -> None:
    (tmp_path / "broker" / "passwd").write_text("viewer:$7$101$abc$def\n")
    broker = AwaitedBroker(tmp_path / "broker", tmp_path / "kept", places)
    passwords = {role: str(broker.address(role).password) for role in ROLES}
    assert mosquitto.is_passwd_of((tmp_path / "broker" / "passwd").read_text(), passwords)
    assert not mosquitto.is_passwd_of(mosquitto.passwd(passwords), new_passwords())
