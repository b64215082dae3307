"""The telemetry bus of a whole run, heard by a user's own MQTT client."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from skyrack.orchestrator.runtime.broker_process import find_mosquitto
from skyrack.v1 import telemetry

from .place import PATIENCE_S, Place, eventually, port

pytestmark = [pytest.mark.mesh, pytest.mark.together]

NODES = {"p0s00", "p0s05", "london", "tokyo"}


class Heard:
    """What a viewer has heard: the newest payload of each topic, None where it was taken back."""

    def __init__(self) -> None:
        self.newest: dict[str, Any] = {}
        self.all: list[tuple[str, Any]] = []
        self.subscribed = threading.Event()

    def take(self, message: mqtt.MQTTMessage) -> None:
        payload = json.loads(message.payload) if message.payload else None
        self.newest[message.topic] = payload
        self.all.append((message.topic, payload))

    def state(self, node: str) -> str | None:
        payload = self.newest.get(f"skyrack/small/node/{node}/state")
        return payload["state"] if payload else None

    def events(self) -> list[str]:
        return [payload["event"] for topic, payload in self.all if topic == "skyrack/small/event"]


@contextlib.contextmanager
def viewer(way_in: Path) -> Iterator[Heard]:
    """A client as the file for the user's tools describes it; over the Unix socket where there is no port.

    It owes the broker no answers: one that does hears no more once it cannot give them, because the broker has ended.
    """
    way = json.loads(way_in.read_text())
    heard = Heard()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, transport="tcp" if way["port"] else "unix")
    client.username_pw_set(way["username"], way["password"])
    client.on_message = lambda _client, _data, message: heard.take(message)
    client.on_connect = lambda client, *_: client.subscribe("skyrack/#", 0)
    client.on_subscribe = lambda *_: heard.subscribed.set()
    client.connect(way["host"] or way["socket"], way["port"] or 1883)
    client.loop_start()
    try:
        assert heard.subscribed.wait(PATIENCE_S)
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.fixture(params=["mosquitto", "embedded"])
def broker(request: pytest.FixtureRequest) -> str:
    if request.param == "mosquitto" and find_mosquitto() is None:
        pytest.skip("NOT TESTED ON MOSQUITTO: it is not installed")
    return str(request.param)


def test_a_run_tells_what_it_is_while_it_lives_and_takes_it_back_at_its_end(
    either: Place, broker: str
) -> None:
    place = either
    more = "telemetry: {period_s: 0.5}\nenvironment: {forecast_error: {eclipse_s: 60}}\n"
    place.scenario.write_text(place.scenario.read_text() + more)
    up = place.up("--broker", broker, "--broker-port", port(18830))
    named = "embedded (amqtt)" if broker == "embedded" else broker
    assert f"{named} on 127.0.0.1:{port(18830)} " in up.text
    bus = place.status()["bus"]
    assert bus["broker"] == broker
    with viewer(Path(bus["way_in"])) as heard:
        eventually(lambda: all(heard.state(node) == "serving" for node in NODES), "every node's state")
        topics = [f"skyrack/small/node/{node}/{what}" for node in NODES for what in ("telemetry", "forecast")]
        eventually(lambda: {*topics, "skyrack/small/environment"} <= set(heard.newest), "every topic")
        for topic, kind in (
            ("node/london/state", telemetry.NodeState),
            ("node/london/telemetry", telemetry.NodeTelemetry),
            ("node/london/forecast", telemetry.Forecast),
            ("environment", telemetry.Environment),
        ):
            assert list(heard.newest[f"skyrack/small/{topic}"]) == list(get_type_hints(kind)), topic
        report = eventually(
            lambda: (said := heard.newest["skyrack/small/node/london/telemetry"])["neighbours"] and said,
            "a report of a node that was told where it is",
        )
        assert report["lat_deg"] == pytest.approx(51.51, abs=0.1)
        assert report["attached"] is True
        if broker == "embedded":  # once is enough: whoever carries it, it is the same
            what_surrounds_a_satellite_is_true_and_what_it_is_told_is_forecast(place, heard)

        place.kill("p0s05")
        eventually(lambda: heard.state("p0s05") == "dark", "the last will")
        assert heard.newest["skyrack/small/node/p0s05/state"]["t_utc"] is None
        eventually(lambda: heard.state("p0s05") == "serving", "the restarted node")
        eventually(lambda: "all_serving" in heard.events(), "the events of it")
        assert {"node_dark", "node_exited", "node_lit", "node_serving"} <= set(heard.events())

        place.down()
        retained = [topic for topic in list(heard.newest) if not topic.endswith(("/telemetry", "/event"))]
        eventually(lambda: not any(heard.newest[topic] for topic in retained), "everything taken back")
    place.is_clean()


def what_surrounds_a_satellite_is_true_and_what_it_is_told_is_forecast(place: Place, heard: Heard) -> None:
    """On the bus, for guests, and by the command line, which computes it by itself."""
    eventually(
        lambda: heard.newest["skyrack/small/node/p0s05/forecast"]["next_eclipse"], "a forecast of an eclipse"
    )
    forecast, space = (
        heard.newest["skyrack/small/node/p0s05/forecast"],
        heard.newest["skyrack/small/environment"],
    )
    asked = place.skyrack("environment", "p0s05", "--run", "small", "-o", "json").expect().out
    true = json.loads(asked)["nodes"][0]
    off_s = forecast["next_eclipse"]["start_t_s"] - true["eclipse"]["start_t_s"]
    assert 0.1 < abs(off_s) < 300.0, "a minute of standard deviation"
    assert forecast["next_anomaly_pass"] == pytest.approx(true["anomaly_pass"], abs=0.1)
    assert forecast["stays_known_until_t_s"] > 3600.0
    assert heard.newest["skyrack/small/node/london/forecast"]["next_eclipse"] is None
    assert ("p0s05" in space["eclipsed"], "p0s05" in space["in_anomaly"]) == (
        not true["lit"],
        true["in_anomaly"],
    )
    assert space["beta_min_deg"] <= true["beta_deg"] <= space["beta_max_deg"]
    assert space["storm_factor"] == true["storm_factor"] == 1.0
    ask = (
        "import urllib.request as r; print(r.urlopen('http://skyrack.internal:50080/v1/%s').read().decode())"
    )
    guest, told = (
        json.loads(place.skyrack("exec", "p0s05", "--", "python3", "-c", ask % what).expect().out)
        for what in ("environment", "forecast")
    )
    assert (guest["sunlit"], guest["in_anomaly"]) == (true["lit"], true["in_anomaly"])
    assert guest["beta_deg"] == pytest.approx(true["beta_deg"], abs=0.1)
    assert told["shadow"]["eclipses"][0]["start_t_s"] == pytest.approx(
        forecast["next_eclipse"]["start_t_s"], abs=0.001
    )


def test_a_broker_that_is_killed_comes_back_and_nobody_else_notices(place: Place, broker: str) -> None:
    place.up("--broker", broker)
    before = place.tree()
    place.kill("broker")
    assert place.event("broker_down")["status"] == -9
    place.event("broker_up")
    way_in = Path(place.status()["bus"]["way_in"])
    with viewer(way_in) as heard:
        eventually(lambda: all(heard.state(node) == "serving" for node in NODES), "every node's state again")
        eventually(lambda: "skyrack/small/environment" in heard.newest, "the environment again")
    after = place.tree()
    assert {part for part in before if before[part] != after.get(part)} == {"broker"}
    assert not [event for event in place.events() if event["event"] in ("node_dark", "fabric_down")]


def test_a_run_without_a_broker_has_none_and_says_nothing_of_it(place: Place) -> None:
    up = place.up("--broker", "none")
    assert "broker" not in up.text
    assert "MQTT" not in up.text
    assert place.status()["bus"] is None
    assert "broker" not in place.tree()
    assert not (place.sockets / "small" / "mqtt.sock").exists()


def test_the_scenario_turns_the_bus_off(place: Place) -> None:
    place.scenario.write_text(place.scenario.read_text() + "telemetry: {enabled: false}\n")
    place.up()
    assert place.status()["bus"] is None


def test_a_port_that_is_taken_moves_the_broker_to_the_next(place: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port(18840)))
        taken.listen()
        assert f"on 127.0.0.1:{port(18841)}" in place.up("--broker-port", port(18840)).text
    way = json.loads(Path(place.status()["bus"]["way_in"]).read_text())
    assert (way["host"], way["port"], way["username"]) == ("127.0.0.1", port(18841), "viewer")
