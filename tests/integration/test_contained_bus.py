"""The telemetry bus of a run in parts: mosquitto started by somebody else, with the files that a project has."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Iterator

import aiomqtt
import pytest

from skyrack.orchestrator.render import mosquitto
from skyrack.orchestrator.runtime.broker_process import find_mosquitto
from skyrack.v1.telemetry import environment_topic, node_topic

from .contained_run import NAME, NODES, PATIENCE_S, Parts, eventually
from .ports import free_port

pytestmark = [pytest.mark.mesh, pytest.mark.together]


@contextlib.contextmanager
def broker(parts: Parts) -> Iterator[int]:
    """mosquitto with the project's files, on other paths and a port of its own: the port."""
    program = find_mosquitto()
    if program is None:
        pytest.skip("NOT TESTED ON MOSQUITTO: it is not installed")
    port = free_port()
    texts = mosquitto.files()
    conf = texts["mosquitto/mosquitto.conf"].replace("listener 1883 0.0.0.0", f"listener {port} 127.0.0.1")
    for there, here in (
        ("/run/mesh", parts.mesh),
        ("/run/broker", parts.directory / "broker"),
        ("/mosquitto/config", parts.directory),
    ):
        conf = conf.replace(there, str(here))
    (parts.directory / "acl").write_text(texts["mosquitto/acl"])
    (parts.directory / "mosquitto.conf").write_text(f"{conf}user root\n")
    eventually((parts.directory / "broker" / "passwd").exists, "the passwords are there", parts.logs)
    with parts.log("mosquitto").open("ab") as log:
        process = subprocess.Popen(
            [program, "-c", parts.directory / "mosquitto.conf"], stdout=log, stderr=log
        )
    try:
        yield port
    finally:
        process.kill()
        process.wait()


@contextlib.asynccontextmanager
async def viewer(parts: Parts, port: int) -> AsyncIterator[aiomqtt.Client]:
    way = json.loads((parts.directory / "run" / NAME / "mqtt.json").read_text())
    async with aiomqtt.Client(
        "127.0.0.1", port, username=way["username"], password=way["password"], timeout=PATIENCE_S
    ) as client:
        await client.subscribe("skyrack/#")
        yield client


async def wanted(client: aiomqtt.Client, topics: set[str]) -> None:
    """Wait until something was said on every topic."""
    async for message in client.messages:
        topics.discard(message.topic.value)
        if not topics:
            return


async def test_nodes_and_orchestrator_speak_and_a_restarted_orchestrator_is_let_in(parts: Parts) -> None:
    for name in ("orchestrator", "fabric", *NODES):
        parts.start(name)
    parts.await_all()
    topics = {node_topic(NAME, node, "state") for node in NODES} | {environment_topic(NAME)}
    with broker(parts) as port:
        eventually(lambda: parts.status()["bus"]["connected"], "the orchestrator is let in", parts.logs)
        async with viewer(parts, port) as client:
            await wanted(client, set(topics))
        parts.end("orchestrator")
        parts.start("orchestrator")
        parts.await_all()
        eventually(lambda: parts.status()["bus"]["connected"], "it is let in again", parts.logs)
        async with viewer(parts, port) as client:
            await wanted(client, set(topics))
