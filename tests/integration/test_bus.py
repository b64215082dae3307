"""The telemetry bus on both brokers, as real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Literal, cast

import aiomqtt
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from skyrack.orchestrator.broker.roles import Role
from skyrack.orchestrator.runtime import local_broker
from skyrack.orchestrator.runtime.broker_process import find_mosquitto, is_free
from skyrack.v1 import bus
from skyrack.v1.bus import Address, Bus, Message
from skyrack.v1.telemetry import environment_topic, event_topic, node_topic

from .brokers import FIRST_PORT, PATIENCE_S, RUN, World, eventually, open_world

pytestmark = pytest.mark.together

STATE = node_topic(RUN, "p0s00", "state")
TELEMETRY = node_topic(RUN, "p0s00", "telemetry")
ENVIRONMENT = environment_topic(RUN)

# A client that says what it wants and is then killed: its last will is all that remains.
SHORT_LIFE = """
import asyncio, random, sys
from skyrack.v1.bus import Address, Bus, Message
async def main():
    path, user, password, topic = sys.argv[1:]
    will = Message.of(topic, {"state": "dark"}, qos=1, retain=True)
    refused = asyncio.Event()
    async def sleep(wait_s):
        refused.set()
        await asyncio.sleep(wait_s)
    bus = Bus(Address(socket=path, username=user, password=password), "x", sleep, random.Random(1), will=will)
    bus.publish(Message.of(topic, {"state": "serving"}, qos=1, retain=True))
    running = asyncio.create_task(bus.run())
    while not bus.connected and not refused.is_set():
        await asyncio.sleep(0.01)
    print("let in or refused", flush=True)
    await running
asyncio.run(main())
"""


@pytest.fixture(params=["mosquitto", "embedded"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "mosquitto" and find_mosquitto() is None:
        pytest.skip("NOT TESTED ON MOSQUITTO: it is not installed")
    async with open_world(cast(Literal["mosquitto", "embedded"], request.param)) as opened:
        yield opened


def test_this_machine_has_mosquitto_where_the_whole_suite_must_run() -> None:
    assert find_mosquitto() or not os.environ.get("CI"), (
        "in CI the half of these tests on mosquitto may not be missing"
    )


async def test_what_is_retained_reaches_a_viewer_that_comes_later(world: World) -> None:
    node = world.publisher("node")
    node.publish(Message.of(STATE, {"state": "serving"}, qos=1, retain=True))
    await eventually(lambda: node.published == 1, "published")
    async with world.listener() as heard:
        await eventually(lambda: STATE in heard.newest, "the retained state")
        assert heard.says(STATE) == {"state": "serving"}
        assert heard.all[0][2], "as a retained message"


async def test_telemetry_arrives_and_is_not_retained(world: World) -> None:
    node = world.publisher("node")
    async with world.listener() as heard:
        for number in range(5):
            node.publish(Message.of(TELEMETRY, {"number": number}))
            await eventually(lambda: heard.says(TELEMETRY) == {"number": number}, "each report")  # noqa: B023
    async with world.listener() as late:
        node.publish(Message.of(STATE, {"state": "serving"}, retain=True))
        await eventually(lambda: STATE in late.newest, "something else")
        assert TELEMETRY not in late.newest


async def test_the_last_will_of_a_killed_process_is_said_and_retained(world: World) -> None:
    address = world.broker.address("node")
    command = [sys.executable, "-c", SHORT_LIFE, str(address.socket), "node", str(address.password), STATE]
    process = await asyncio.create_subprocess_exec(*command)
    async with world.listener() as heard:
        await eventually(lambda: heard.says(STATE) == {"state": "serving"}, "the process speaks")
        process.kill()
        await process.wait()
        await eventually(lambda: heard.says(STATE) == {"state": "dark"}, "its last will")
    async with world.listener() as late:
        await eventually(lambda: late.says(STATE) == {"state": "dark"}, "the last will, retained")


async def test_an_empty_message_takes_back_what_was_retained(world: World) -> None:
    node = world.publisher("node")
    node.publish(Message.of(STATE, {"state": "serving"}, qos=1, retain=True))
    await eventually(lambda: node.published == 1, "published")
    node.publish(Message(STATE, b"", 1, True))
    assert await node.flush(PATIENCE_S)
    other = world.publisher("orchestrator")
    async with world.listener() as heard:
        other.publish(Message.of(ENVIRONMENT, {}, retain=True))
        await eventually(lambda: ENVIRONMENT in heard.newest, "something else")
        assert STATE not in heard.newest


@pytest.mark.parametrize(
    ("role", "password"), [("viewer", "wrong"), ("node", "wrong"), ("nobody", "wrong"), (None, None)]
)
async def test_a_wrong_password_and_none_are_refused(
    world: World, role: str | None, password: str | None
) -> None:
    client = aiomqtt.Client("127.0.0.1", world.port, username=role, password=password, timeout=PATIENCE_S)
    with pytest.raises(aiomqtt.MqttError, match=r"(?i)not authori[sz]ed"):
        await client.__aenter__()


async def test_a_publisher_with_a_wrong_password_goes_on_trying_and_leaves_no_socket(world: World) -> None:
    right = world.broker.address("node")
    attempts: list[float] = []

    async def sleep(wait_s: float) -> None:
        attempts.append(wait_s)
        await asyncio.sleep(wait_s)

    address = Address(socket=right.socket, username="node", password="wrong")
    before = len(os.listdir("/proc/self/fd"))
    bus = Bus(address, "node", sleep, random.Random(1))
    world.running.append(world.tasks.create_task(bus.run()))
    await eventually(lambda: len(attempts) == 4, "attempts")
    assert not bus.connected
    assert len(os.listdir("/proc/self/fd")) <= before + 3


@pytest.mark.parametrize(
    ("role", "topic"),
    [
        ("viewer", ENVIRONMENT),
        ("viewer", STATE),
        ("viewer", "elsewhere"),
        ("node", ENVIRONMENT),
        ("node", event_topic(RUN)),
        ("node", node_topic(RUN, "p0s00", "forecast")),
        ("orchestrator", TELEMETRY),
    ],
)
async def test_nobody_says_what_is_not_theirs_to_say(world: World, role: str, topic: str) -> None:
    allowed = world.publisher("orchestrator")
    async with world.listener() as heard, world.client(role) as client:
        await client.publish(topic, b"forged", qos=1, retain=True)
        allowed.publish(Message.of(event_topic(RUN), {"event": "after"}, qos=1))
        await eventually(lambda: heard.says(event_topic(RUN)) == {"event": "after"}, "what is allowed")
        assert b"forged" not in heard.newest.values()
    async with world.listener() as late:
        allowed.publish(Message.of(event_topic(RUN), {"event": "last"}, qos=1))
        await eventually(lambda: event_topic(RUN) in late.newest, "what is allowed")
        assert b"forged" not in late.newest.values()


async def test_a_viewer_cannot_speak_by_its_last_will_either(world: World) -> None:
    password = world.broker.address("viewer").password
    command = [
        sys.executable,
        "-c",
        SHORT_LIFE,
        str(world.broker.address("viewer").socket),
        "viewer",
        str(password),
        STATE,
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"let in or refused\n"
    allowed = world.publisher("orchestrator")
    async with world.listener() as heard:
        process.kill()
        await process.communicate()
        for number in range(5):  # when the last is acknowledged, the broker has noticed the end
            allowed.publish(Message.of(event_topic(RUN), {"number": number}, qos=1))
            assert await allowed.flush(PATIENCE_S)
        allowed.publish(Message.of(ENVIRONMENT, {}))
        await eventually(lambda: ENVIRONMENT in heard.newest, "what is allowed")
        assert STATE not in heard.newest


async def test_a_node_hears_nothing(world: World) -> None:
    orchestrator = world.publisher("orchestrator")
    async with world.listener() as heard, world.client("node") as client:
        await client.subscribe("skyrack/#")
        orchestrator.publish(Message.of(ENVIRONMENT, {}))
        await eventually(lambda: ENVIRONMENT in heard.newest, "a viewer hears it")
        assert len(client.messages) == 0


async def test_a_broker_that_died_comes_back_with_what_publishers_had_it_retain(world: World) -> None:
    node, orchestrator = world.publisher("node"), world.publisher("orchestrator")
    node.publish(Message.of(STATE, {"state": "serving"}, qos=1, retain=True))
    orchestrator.publish(Message.of(ENVIRONMENT, {"eclipsed": []}, qos=1, retain=True))
    await eventually(lambda: node.published + orchestrator.published == 2, "published")
    port = world.port
    os.kill(world.pid(), signal.SIGKILL)
    await eventually(lambda: node.reconnects > 0 and orchestrator.reconnects > 0, "noticed, and back again")
    assert world.port == port
    async with world.listener() as heard:
        await eventually(lambda: {STATE, ENVIRONMENT} <= set(heard.newest), "both retained again")
    assert [record["event"] for record in world.events.since(0)] == ["broker_down", "broker_up"]


async def test_without_a_broker_publishing_neither_waits_nor_grows_and_nothing_of_the_newest_is_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus, "PATIENCE_S", 2.0)
    node, orchestrator = world.publisher("node"), world.publisher("orchestrator")
    await eventually(lambda: node.connected and orchestrator.connected, "connected")
    await world.hang()
    # Who waited for a broker here would wait for ever.
    for number in range(20_000):
        node.publish(Message.of(TELEMETRY, {"number": number}))
    for number in range(50):
        orchestrator.publish(Message.of(event_topic(RUN), {"number": number}, qos=1, keep=100))
    assert node.waiting <= 1
    assert node.dropped >= 19_990
    assert orchestrator.dropped == 0
    await eventually(lambda: not orchestrator.connected, "a broker that does not answer is given up")
    world.go_on()
    async with world.listener() as heard:
        node.publish(Message.of(TELEMETRY, {"number": -1}))
        await eventually(lambda: heard.says(TELEMETRY) == {"number": -1}, "the newest")
        orchestrator.publish(Message.of(event_topic(RUN), {"number": 50}, qos=1, keep=100))
        await eventually(lambda: heard.says(event_topic(RUN)) == {"number": 50}, "the last event")


async def test_what_a_broker_has_acknowledged_reaches_subscribers_though_it_ends_then(world: World) -> None:
    topics = {node_topic(RUN, f"n{number}", "forecast") for number in range(300)}
    heard: set[str] = set()
    subscribed: list[object] = []
    # mosquitto ends without waiting for answers: who owes it one finds that out, and hears no more.
    qos = 1 if world.broker.status()["broker"] == "embedded" else 0
    viewer, orchestrator = paho(world, "viewer"), paho(world, "orchestrator")
    viewer.on_connect = lambda client, *_: client.subscribe("skyrack/#", qos)
    viewer.on_subscribe = lambda *_: subscribed.append(True)
    viewer.on_message = lambda _client, _data, message: heard.add(message.topic)
    viewer.connect("127.0.0.1", world.port)
    await asyncio.to_thread(looped_until, viewer, lambda: bool(subscribed))
    orchestrator.max_inflight_messages_set(0)
    acknowledged: list[object] = []
    orchestrator.on_publish = lambda *_: acknowledged.append(True)
    connected: list[object] = []
    orchestrator.on_connect = lambda *_: connected.append(True)
    orchestrator.connect("127.0.0.1", world.port)
    await asyncio.to_thread(looped_until, orchestrator, lambda: bool(connected))
    for topic in topics:
        orchestrator.publish(topic, b"{}", 1, True)
    await asyncio.to_thread(looped_until, orchestrator, lambda: len(acknowledged) == len(topics))
    os.kill(world.pid(), signal.SIGTERM)
    await asyncio.to_thread(looped_until, viewer, lambda: heard == topics)
    for client in (viewer, orchestrator):
        client.disconnect()


async def test_a_hung_broker_delays_nobody_s_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus, "PATIENCE_S", 3600.0)
    connected, telling = world.publisher("node"), world.publisher("orchestrator")
    await eventually(lambda: connected.connected and telling.connected, "connected")
    await world.hang()
    before = len(os.listdir("/proc/self/fd"))
    connecting = world.publisher("node")
    await eventually(lambda: len(os.listdir("/proc/self/fd")) > before, "an attempt to connect")
    telling.publish(Message.of(ENVIRONMENT, {"much": "x" * 4_000_000}))  # more than sockets hold
    assert not await telling.flush(0.1)
    connecting.publish(Message.of(TELEMETRY, {}))
    assert not await connecting.flush(0.1)
    for running in world.running:
        running.cancel()
    await eventually(lambda: all(running.done() for running in world.running), "they end")
    await eventually(lambda: len(os.listdir("/proc/self/fd")) <= before - 2, "without a socket left")
    world.go_on()


async def test_who_ends_before_the_broker_took_everything_leaves_it_to_the_last_will(world: World) -> None:
    will = Message.of(STATE, {"state": "dark"}, qos=1, retain=True)
    node = world.publisher("node", will=will)
    node.publish(Message.of(STATE, {"state": "serving"}, qos=1, retain=True))
    await eventually(lambda: node.published == 1, "published")
    await world.hang()
    node.publish(Message.of(STATE, {"state": "stopping"}, qos=1, retain=True))
    assert not await node.flush(0.1)
    running = world.running.pop()
    running.cancel()
    await asyncio.wait({running})
    world.go_on()
    async with world.listener() as heard:
        await eventually(lambda: heard.says(STATE) == {"state": "dark"}, "its last will")


async def test_last_words_wait_for_a_broker_that_listens_and_was_away_a_moment_ago(world: World) -> None:
    right = world.broker.address("node")
    later = world.directory / "later.sock"
    refused = asyncio.Event()

    async def sleep(_: float) -> None:
        """A back-off that nobody would wait out."""
        refused.set()
        await asyncio.Event().wait()

    address = Address(socket=str(later), username="node", password=right.password)
    node = Bus(address, "node", sleep, random.Random(1))
    world.running.append(world.tasks.create_task(node.run()))
    await refused.wait()
    node.publish(Message.of(STATE, {"state": "dark"}, qos=1, retain=True))
    assert not await node.flush(PATIENCE_S), "nobody listens: at once"
    later.symlink_to(str(right.socket))
    assert await node.flush(PATIENCE_S)
    later.unlink()


def paho(world: World, role: Role) -> mqtt.Client:
    """A client of its own, which hears all that has reached it before it notices that the broker is gone."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(role, world.broker.address(role).password)
    return client


def looped_until(client: mqtt.Client, condition: Callable[[], bool]) -> None:
    """Let a client work until a condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        assert client.loop(0.1) == mqtt.MQTT_ERR_SUCCESS, "the connection has ended, and that was all"


async def test_a_publisher_ends_though_the_library_swallows_its_cancellation(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending = asyncio.Event()

    async def publish(*_: object) -> None:
        """As `asyncio.wait_for` before Python 3.12, when the broker's answer comes at the same moment."""
        sending.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    monkeypatch.setattr(aiomqtt.Client, "publish", publish)
    bus = world.publisher("node")
    bus.publish(Message.of(STATE, {"state": "serving"}, qos=1, retain=True))
    await sending.wait()
    running = world.running.pop()
    running.cancel()
    await asyncio.wait({running}, timeout=PATIENCE_S)
    assert running.cancelled()


async def test_a_busy_port_moves_on_to_the_next(world: World) -> None:
    async with open_world("embedded") as second:
        assert second.port == world.port + 1
        assert not is_free(second.port)


async def test_the_way_in_is_the_users_alone_and_leads_in(world: World) -> None:
    way_in = world.directory / "mqtt.json"
    assert way_in.stat().st_mode & 0o777 == 0o600
    assert world.port >= FIRST_PORT
    secrets = [path for path in world.directory.iterdir() if path.is_file() and path.name != "events.jsonl"]
    passwords = [world.broker.address(role).password for role in ("node", "orchestrator", "viewer")]
    for path in secrets:
        assert path.stat().st_mode & 0o077 == 0, path
    log = (world.directory / "logs" / "broker.log").read_bytes()
    assert not [password for password in passwords if str(password).encode() in log]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a run's progress says; mosquitto is not installed."""
    monkeypatch.setattr(local_broker, "find_mosquitto", lambda: None)
    return []


async def test_without_mosquitto_the_embedded_broker_serves_and_the_run_says_why(steps: list[str]) -> None:
    async with open_world("auto", progress=steps) as world:
        assert world.broker.status()["broker"] == "embedded"
        assert steps[-1] == f"embedded (amqtt) on 127.0.0.1:{world.port}; mosquitto is not on PATH"


async def test_mosquitto_that_is_asked_for_and_missing_ends_the_start(steps: list[str]) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        async with open_world("mosquitto", progress=steps):
            pass
    assert raised.group_contains(RuntimeError, match="mosquitto is not on PATH: install it, or choose")
