"""What each role may do on the telemetry bus, and how mosquitto is told."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from skyrack.orchestrator.broker.roles import ROLES, matches, may_publish, may_read, new_passwords
from skyrack.orchestrator.render import mosquitto


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
        ("a/+/c", "a/b/c/d", False),
        ("a/+", "a", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),  # MQTT 3.1.1, 4.7.1.2: the parent is included
        ("a/#", "b", False),
        ("a/b", "a/b", True),
    ],
)
def test_filters_match_as_in_mqtt(topic_filter: str, topic: str, expected: bool) -> None:
    assert matches(topic_filter, topic) is expected


def test_each_role_says_only_what_is_its_own() -> None:
    topics = {
        "skyrack/r/node/a/state": {"node", "orchestrator"},
        "skyrack/r/node/a/telemetry": {"node"},
        "skyrack/r/node/a/forecast": {"orchestrator"},
        "skyrack/r/environment": {"orchestrator"},
        "skyrack/r/event": {"orchestrator"},
        "skyrack/r": set(),
        "other": set(),
    }
    for topic, roles in topics.items():
        assert {role for role in (*ROLES, "root", None) if may_publish(role, topic)} == roles, topic
    assert [role for role in (*ROLES, None) if may_read(role)] == ["viewer"]


def test_passwords_differ_between_roles_and_runs() -> None:
    first, second = new_passwords(), new_passwords()
    assert len({*first.values(), *second.values()}) == 2 * len(ROLES)


def test_mosquittos_own_program_reads_the_password_file(tmp_path: Path) -> None:
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("mosquitto_passwd is not installed")
    path = tmp_path / "passwd"
    path.write_text(mosquitto.passwd(new_passwords()))
    # It refuses to change a file of which it does not understand a line.
    subprocess.run([program, "-b", path, "viewer", "other"], check=True, capture_output=True)
    assert [line.partition(":")[0] for line in path.read_text().splitlines()] == [
        "node",
        "orchestrator",
        "viewer",
    ]


def test_a_container_broker_takes_nobody_without_a_password_and_keeps_nothing() -> None:
    conf = mosquitto.files()["mosquitto/mosquitto.conf"].splitlines()
    assert "allow_anonymous false" in conf
    assert "persistence false" in conf
    assert [line for line in conf if line.startswith("listener")] == [
        "listener 1883 0.0.0.0",
        "listener 0 /run/mesh/mqtt.sock",
    ]
    assert not [line for line in conf if line.startswith("user ")], "the container's user is not root"


def test_a_local_broker_listens_on_loopback_or_on_its_socket_alone(tmp_path: Path) -> None:
    with_port = mosquitto.local_conf(directory=tmp_path, socket=tmp_path / "s", port=1884)
    assert "listener 1884 127.0.0.1\n" in with_port
    without = mosquitto.local_conf(directory=tmp_path, socket=tmp_path / "s", port=None)
    assert [line for line in without.splitlines() if line.startswith("listener")] == [
        f"listener 0 {tmp_path}/s"
    ]
